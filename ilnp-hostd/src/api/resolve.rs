//! `/v1/resolve`: what DNS holds for a name, and what the daemon makes of it.

use std::net::Ipv6Addr;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use ilnp_core::id::{Locator, Nid};
use serde::{Deserialize, Serialize};

use super::{Api, SCHEMA};
use crate::names::Verdict;
use ilnp_service::problem::Problem;

/// What to look up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The name.
    pub name: String,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The name that was asked for.
    pub name: String,
    /// NID, L64, LP and AAAA records, and the L64 records that LP records lead to.
    pub records: Vec<Record>,
    /// Names and types that nobody answered for.
    pub unanswered: Vec<String>,
    /// `ilnp`: applications are given the handle; `classic`: the host was found not to speak ILNP, or
    /// this host has no Locator; `none`: DNS describes no ILNP node.
    pub verdict: String,
    /// Who it is, by its records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nid: Option<Nid>,
    /// The address that applications are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<Ipv6Addr>,
    /// Where it is, by its records, best first.
    pub locators: Vec<Locator>,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its owner.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// For how many seconds it may be kept.
    pub ttl: u32,
    /// Its data as zone files have it.
    pub data: String,
}

pub(super) async fn post(
    State(api): State<Api>,
    body: Result<Json<Question>, JsonRejection>,
) -> Result<Json<Answer>, Problem> {
    let Json(Question { name }) = body?;
    let found = api.names.resolve(&name).await.ok_or_else(|| {
        Problem::conflict(format!(
            "{name} cannot be looked up: it is no domain name, or the configuration has no [resolver]"
        ))
    })?;
    let (verdict, handle) = match found.verdict {
        Verdict::Ilnp(handle) => ("ilnp", Some(handle)),
        Verdict::Classic => ("classic", None),
        Verdict::None => ("none", None),
    };
    let (nid, locators) = found.who.unzip();
    Ok(Json(Answer {
        schema: SCHEMA,
        name,
        records: found.records,
        unanswered: found.unanswered,
        verdict: verdict.to_owned(),
        nid,
        handle,
        locators: locators.unwrap_or_default(),
    }))
}
