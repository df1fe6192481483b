//! `/v1/ping`: does a correspondent answer, and between which Locators?

use std::net::Ipv6Addr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use ilnp_core::id::{Locator, Nid};
use serde::{Deserialize, Serialize};

use super::Api;
use crate::driver::{PingError, Request};
use crate::names::Verdict;
use ilnp_service::problem::Problem;

/// The longest that an answer is waited for.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// A name, an identifier or a handle.
    pub target: String,
    /// How long to wait for the answer, at most 60 s.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
}

fn default_timeout_ms() -> u64 {
    1000
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Who answered.
    pub nid: Nid,
    /// The address that applications use for it.
    pub handle: Ipv6Addr,
    /// The Locator that the answer came from.
    pub remote: Locator,
    /// This node's Locator that it came to.
    pub local: Locator,
    /// The round-trip time in milliseconds.
    pub rtt_ms: f64,
}

pub(super) async fn post(
    State(api): State<Api>,
    body: Result<Json<Ping>, JsonRejection>,
) -> Result<Json<Reply>, Problem> {
    let Json(ping) = body?;
    let timeout = Duration::from_millis(ping.timeout_ms).min(MAX_TIMEOUT);
    let reply = match once(&api, &ping.target, timeout).await? {
        Err(PingError::Unknown) => match api.names.resolve(&ping.target).await {
            Some(found) if matches!(found.verdict, Verdict::Ilnp(_)) => {
                once(&api, &ping.target, timeout).await?
            }
            _ => Err(PingError::Unknown),
        },
        reply => reply,
    };
    reply.map(Json).map_err(|error| match error {
        PingError::Unknown => {
            Problem::not_found(format!("no correspondent is known as {}", ping.target))
        }
        PingError::TooMany => Problem::busy("too many pings wait for their answers"),
    })
}

/// Asks for one echo.
async fn once(
    api: &Api,
    target: &str,
    timeout: Duration,
) -> Result<Result<Reply, PingError>, Problem> {
    let answer = api.ask(|answer| Request::Ping(target.to_owned(), answer));
    tokio::time::timeout(timeout, answer)
        .await
        .map_err(|_| Problem::no_answer(format!("no answer from {target}")))?
}
