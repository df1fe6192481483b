//! `/v1/move`: act now as if the host had moved.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use ilnp_core::id::Locator;
use ilnp_core::node::MoveOrder;
use serde::{Deserialize, Serialize};

use super::{Api, Done, SCHEMA};
use crate::driver::Request;
use ilnp_service::problem::Problem;

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// Send from this one of the host's Locators from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locator: Option<Locator>,
    /// Give these up at once, as in a hard handoff.
    #[serde(default)]
    pub drop: Vec<Locator>,
}

pub(super) async fn post(
    State(api): State<Api>,
    body: Result<Json<Move>, JsonRejection>,
) -> Result<Json<Done>, Problem> {
    let Json(order) = body?;
    let order = MoveOrder {
        locator: order.locator,
        drop: order.drop,
    };
    api.ask(|answer| Request::Move(order, answer))
        .await?
        .map_err(Problem::conflict)?;
    Ok(Json(Done { schema: SCHEMA }))
}
