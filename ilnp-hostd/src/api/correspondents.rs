//! `/v1/correspondents`: whom this node talks to, and where they are.

use std::net::Ipv6Addr;

use axum::Json;
use axum::extract::State;
use ilnp_core::id::{Locator, Nid};
use serde::{Deserialize, Serialize};

use super::Api;
use crate::driver::Request;
use ilnp_service::problem::Problem;

/// All correspondents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correspondents {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// In the order of their handles.
    pub correspondents: Vec<Correspondent>,
}

/// One correspondent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correspondent {
    /// Its identifier.
    pub nid: Nid,
    /// The address that applications use for it.
    pub handle: Ipv6Addr,
    /// The names that led to it.
    pub names: Vec<String>,
    /// `tentative`, `established`, `aged` or `classic`.
    pub state: String,
    /// Where it is, the preferred Locator first.
    pub locators: Vec<RemoteLocator>,
    /// Seconds since its last packet; left out when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_heard_s: Option<f64>,
    /// The Locator Update that tells it where this node is.
    pub update: Update,
}

/// One of a correspondent's Locators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteLocator {
    /// The /64 prefix.
    pub locator: Locator,
    /// Its state in the terms of RFC 6741 §5.1: `valid`, `active`, `expired` or `aged`.
    pub state: String,
    /// The lower, the more preferred.
    pub preference: u16,
    /// For how long it is good.
    pub lifetime_s: u16,
}

/// How far a Locator Update is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// `idle` or `awaiting-ack`.
    pub state: String,
    /// How often it was sent.
    pub tries: u32,
}

pub(super) async fn get(State(api): State<Api>) -> Result<Json<Correspondents>, Problem> {
    api.ask(Request::Correspondents).await.map(Json)
}
