//! `/v1/locators`: where this node is.

use axum::Json;
use axum::extract::State;
use ilnp_core::id::Locator;
use serde::{Deserialize, Serialize};

use super::Api;
use crate::driver::Request;
use ilnp_service::problem::Problem;

/// This node's Locators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locators {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// The preferred one first.
    pub locators: Vec<LocalLocator>,
}

/// One of this node's Locators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalLocator {
    /// The /64 prefix.
    pub locator: Locator,
    /// The interface that bears it.
    pub interface: String,
    /// Its state in the terms of RFC 6741 §5.1: `valid`, `active`, `expired` or `aged`.
    pub state: String,
    /// The lower, the more preferred.
    pub preference: u16,
    /// For how long it is good, as Locator Updates tell it.
    pub lifetime_s: u16,
}

pub(super) async fn get(State(api): State<Api>) -> Result<Json<Locators>, Problem> {
    api.ask(Request::Locators).await.map(Json)
}
