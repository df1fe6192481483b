//! `/v1/counters`: what happened to packets, drops by reason among them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Api;
use crate::driver::Request;
use ilnp_service::problem::Problem;

/// Packets since the data path was set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Packets that went on: `translated-out` and `translated-in` without the daemon, `to-daemon`
    /// through it, `injected` sent by it.
    pub packets: BTreeMap<String, u64>,
    /// Packets that were dropped, by reason; every reason is listed.
    pub drops: BTreeMap<String, u64>,
}

pub(super) async fn get(State(api): State<Api>) -> Result<Json<Counters>, Problem> {
    api.ask(Request::Counters)
        .await?
        .map(Json)
        .map_err(Problem::internal)
}
