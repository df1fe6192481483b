//! `/v1/reports`: what happened in relocations from this site.

use axum::Json;
use axum::extract::{Query, State};
use ilnp_service::problem::Problem;
use serde::{Deserialize, Serialize};

use super::{SCHEMA, problem_of};
use crate::relocation::Agent;
use crate::report::Report;

/// Reports, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reports {
    /// [`SCHEMA`].
    pub schema: u32,
    /// As many as are kept.
    pub reports: Vec<Report>,
}

/// Which reports.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    guest: Option<String>,
}

pub(super) async fn get(
    State(agent): State<Agent>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Reports>, Problem> {
    let reports = agent.reports(wanted.guest.as_deref()).map_err(problem_of)?;
    Ok(Json(Reports {
        schema: SCHEMA,
        reports,
    }))
}
