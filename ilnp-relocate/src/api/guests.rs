//! `/v1/guests`: which guests there are, and how they stand.

use axum::Json;
use axum::extract::{Path, State};
use ilnp_service::problem::Problem;

use super::{Done, SCHEMA, problem_of};
use crate::relocation::{Agent, Overview, Status};

pub(super) async fn all(State(agent): State<Agent>) -> Json<Overview> {
    Json(agent.overview().await)
}

pub(super) async fn one(
    State(agent): State<Agent>,
    Path(guest): Path<String>,
) -> Result<Json<Status>, Problem> {
    let status = agent.status(&guest).await.map_err(problem_of)?;
    Ok(Json(status))
}

pub(super) async fn start(
    State(agent): State<Agent>,
    Path(guest): Path<String>,
) -> Result<Json<Done>, Problem> {
    agent.start_guest(&guest).await.map_err(problem_of)?;
    Ok(Json(Done { schema: SCHEMA }))
}

pub(super) async fn abort(
    State(agent): State<Agent>,
    Path(guest): Path<String>,
) -> Result<Json<Done>, Problem> {
    agent.abort(&guest).await.map_err(problem_of)?;
    Ok(Json(Done { schema: SCHEMA }))
}
