//! `/v1/identity`: what an operator decides about the identifier of this host.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use ilnp_service::problem::Problem;
use serde::{Deserialize, Serialize};

use super::{Api, Done, SCHEMA};
use crate::clone::Evidence;

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// What to do with it.
    pub identifier: Decision,
}

/// What to do with the identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// No other copy of this host runs: it goes on with the identifier.
    Keep,
    /// Give it up. The daemon ends, and makes a new one when it is started again.
    New,
}

pub(super) async fn post(
    State(api): State<Api>,
    body: Result<Json<Identity>, JsonRejection>,
) -> Result<Json<Done>, Problem> {
    let Json(identity) = body?;
    let done = match identity.identifier {
        Decision::Keep => api.custodian.weigh(Evidence::Only).await,
        Decision::New => api.custodian.renounce().await,
    };
    done.map_err(Problem::conflict)?;
    Ok(Json(Done { schema: SCHEMA }))
}
