//! The judgement of names: whether every server shows where a host is.

use ilnp_core::id::Locator;
use serde::Serialize;

use crate::run::Published;

/// A host's records at one server, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NameReport {
    /// The host.
    pub host: String,
    /// Its name in the DNS.
    pub name: String,
    /// The name server.
    pub server: String,
    /// The software of the server.
    pub software: String,
    /// The Locators of the host at the end of the run, in ascending order.
    pub expected: Vec<Locator>,
    /// What was seen of its L64 records then, by program.
    pub seen: Vec<SeenReport>,
}

/// The L64 records of a name, as one program sees them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeenReport {
    /// The program.
    pub program: String,
    /// The Locators, in ascending order.
    pub locators: Vec<Locator>,
}

/// When a server showed the Locators of a new site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VisibleReport {
    /// The name server.
    pub server: String,
    /// When it showed them; `null` when it did not before the next move or the end.
    pub visible_ms: Option<f64>,
}

impl NameReport {
    pub(super) fn new(published: &Published) -> Self {
        let own = SeenReport {
            program: "ilnp-lab".to_owned(),
            locators: published.shown.last().to_vec(),
        };
        let others = published.witnesses.iter().map(|witness| SeenReport {
            program: witness.program.clone(),
            locators: witness.locators.clone(),
        });
        Self {
            host: published.host.clone(),
            name: published.shown.name.clone(),
            server: published.shown.server.clone(),
            software: published.software.name().to_owned(),
            expected: published.expected.clone(),
            seen: [own].into_iter().chain(others).collect(),
        }
    }

    /// Whether every program sees the Locators that the host has, and no others.
    pub fn is_right(&self) -> bool {
        self.seen.iter().all(|one| one.locators == self.expected)
    }
}
