//! The part of `/v1/status` that concerns names.

use std::net::SocketAddr;

use ilnp_core::id::Locator;
use serde::{Deserialize, Serialize};

/// How this host is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dns {
    /// Its name.
    pub name: String,
    /// Each primary server.
    pub primaries: Vec<Primary>,
}

/// How publishing stands at one primary server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Primary {
    /// The server.
    pub server: SocketAddr,
    /// The zone that has the name, when it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// `confirmed`: it has what should be published; `trying`: not yet; `idle`: nothing was to be
    /// published so far.
    pub state: String,
    /// What it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmed>,
    /// For how many seconds it has not had what should be published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trying_s: Option<f64>,
    /// Failed tries since then.
    pub failures: u32,
    /// Why the last one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What a primary server confirmed last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirmed {
    /// How many seconds ago.
    pub since_s: f64,
    /// The Locators, best first.
    pub locators: Vec<Locator>,
}

/// Why an update was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `unreachable`, `wrong-key`, `wrong-clock`, `refused` and so on.
    pub kind: String,
    /// The same for people.
    pub message: String,
}

/// How the stub resolver stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolver {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// How applications are sent to it: `systemd-resolved`, `resolvconf` or `/etc/resolv.conf`; left
    /// out when they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed: Option<String>,
    /// Why applications cannot be sent to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Domains whose names do not come to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bypassed: Vec<String>,
    /// Whom it asks.
    pub upstreams: Vec<Upstream>,
}

/// A name server that the stub resolver asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Which.
    pub server: SocketAddr,
    /// Whether it answered last; left out before the first query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<bool>,
}
