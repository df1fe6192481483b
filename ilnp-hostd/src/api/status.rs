//! `/v1/status`: who this node is and whether it works.

use std::net::Ipv6Addr;

use axum::Json;
use axum::extract::State;
use ilnp_core::id::{Locator, Nid};
use serde::{Deserialize, Serialize};

use super::Api;
use super::locators::LocalLocator;
use super::names::{Dns, Resolver};
use crate::clone;
use crate::driver::Request;
use ilnp_service::problem::Problem;

/// The state of the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// This node's identifier.
    pub nid: Nid,
    /// The address that applications use.
    pub handle: Ipv6Addr,
    /// The interface that bears the handle.
    pub interface: String,
    /// Whether sessions can start: the data path is in place and a Locator works.
    pub ready: bool,
    /// Why the identifier must not be used; left out when it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced: Option<Fenced>,
    /// Seconds since the daemon started.
    pub uptime_s: f64,
    /// Where this node is.
    pub locators: Vec<LocalLocator>,
    /// How many correspondents are known.
    pub correspondents: usize,
    /// Where its hypervisor is going to move it; left out when nothing of the kind is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relocation: Option<Relocation>,
    /// How this host is published; left out when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// How its applications are answered; left out when they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<Resolver>,
}

/// Why a host must not use its identifier: a copy of it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fenced {
    /// `generation`, `machine`, `instance`, `stale` or `ordered`.
    pub kind: String,
    /// The same for people.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl Fenced {
    fn of(why: &clone::Fenced) -> Self {
        Self {
            kind: why.kind().to_owned(),
            reason: why.to_string(),
            remedy: why.remedy().to_owned(),
        }
    }
}

/// A planned move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relocation {
    /// The Locators that this host will have, best first.
    pub locators: Vec<Locator>,
    /// Whether correspondents send there already.
    pub switched: bool,
    /// For how many seconds the plan is remembered, unless it is renewed.
    pub remaining_s: f64,
}

pub(super) async fn get(State(api): State<Api>) -> Result<Json<Status>, Problem> {
    let status = api.ask(Request::Status).await?;
    Ok(Json(Status {
        dns: api.names.dns(),
        resolver: api.names.resolver(),
        fenced: api.custodian.fenced().as_ref().map(Fenced::of),
        ..status
    }))
}
