//! Views for people and programs.

use core::net::Ipv6Addr;

use serde::Serialize;

use super::{LocatorHealth, Node};
use crate::id::{Handle, Lifetime, Locator, Nid, Preference};
use crate::ilcc::remote_locators::lifetime_left;
use crate::ilcc::{Entry, LocalSet};
use crate::time::Instant;

/// One of this host's Locators.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LocatorSnapshot {
    /// The /64 prefix.
    pub locator: Locator,
    /// The index of the interface that bears it.
    pub interface: u32,
    /// `active` when packets leave from it, else `valid`, or `aged` when it is leaving.
    pub state: &'static str,
    /// As Locator Updates tell it.
    pub preference: Preference,
    /// As Locator Updates would tell it now.
    pub lifetime_s: Lifetime,
}

/// A planned move.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanSnapshot {
    /// Where this host will be, best first.
    pub locators: Vec<Locator>,
    /// Whether correspondents send there already.
    pub switched: bool,
    /// For how many seconds this is remembered.
    pub remaining_s: f64,
}

/// A correspondent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorrespondentSnapshot {
    /// Its identifier.
    pub nid: Nid,
    /// The address that programs use.
    pub handle: Ipv6Addr,
    /// The names that it was resolved from.
    pub names: Vec<String>,
    /// `tentative`, `established`, `aged` or `classic`.
    pub state: &'static str,
    /// Its Locators, best first.
    pub locators: Vec<RemoteLocatorSnapshot>,
    /// Seconds since it was last heard of, as far as the node knows; `None` before the first time.
    pub last_heard_s: Option<f64>,
    /// Seconds since a packet was last sent to it, as far as the node knows; `None` before the
    /// first time.
    pub last_sent_s: Option<f64>,
    /// How far the Locator Updates to it have got.
    pub update: UpdateSnapshot,
}

/// One of a correspondent's Locators.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RemoteLocatorSnapshot {
    /// The /64 prefix.
    pub locator: Locator,
    /// `active` when packets go to it, else `valid`; `aged` when its lifetime has ended.
    pub state: &'static str,
    /// The lower, the more preferred.
    pub preference: Preference,
    /// What is left of its lifetime.
    pub lifetime_s: Lifetime,
}

/// How far the Locator Updates to a correspondent have got.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UpdateSnapshot {
    /// `idle` or `awaiting-ack`.
    pub state: &'static str,
    /// How often the present one was sent.
    pub tries: u32,
}

impl Node {
    /// This host's Locators, best first.
    pub fn locators(&self, now: Instant) -> Vec<LocatorSnapshot> {
        let lifetime = self.config.timers.locator_lifetime;
        (0..)
            .zip(self.local.iter())
            .map(|(place, own)| LocatorSnapshot {
                locator: own.given.locator,
                interface: own.given.interface,
                state: match (place, own.given.health) {
                    (0, _) => "active",
                    (_, LocatorHealth::Working) => "valid",
                    (_, LocatorHealth::Leaving) => "aged",
                },
                preference: LocalSet::preference(place),
                lifetime_s: own
                    .given
                    .valid_until
                    .map_or(lifetime, |end| lifetime_left(now, end).min(lifetime)),
            })
            .collect()
    }

    /// All correspondents.
    pub fn correspondents(&self, now: Instant) -> Vec<CorrespondentSnapshot> {
        let all = self.table.iter();
        all.map(|(_, entry)| self.snapshot(now, entry)).collect()
    }

    /// The names of the sessions that outlive this daemon, those from the configuration left out.
    pub fn learnt_names(&self) -> impl Iterator<Item = (Handle, &[String])> {
        self.names.iter().filter_map(|(handle, names)| {
            let entry = self.table.get(self.table.find(*handle)?)?;
            let outlives = entry.state.is_proved() && !entry.configured;
            outlives.then_some((*handle, names.as_slice()))
        })
    }

    /// One correspondent.
    pub fn correspondent(&self, now: Instant, handle: Handle) -> Option<CorrespondentSnapshot> {
        let entry = self.table.get(self.table.find(handle)?)?;
        Some(self.snapshot(now, entry))
    }

    fn snapshot(&self, now: Instant, entry: &Entry) -> CorrespondentSnapshot {
        let tries = entry.update.tries;
        let lived = entry.state.is_proved();
        let label = entry.state.label();
        let since = |then: Instant| lived.then(|| (now - then).as_secs_f64());
        CorrespondentSnapshot {
            nid: entry.handle.nid,
            handle: self.config.handle_prefix.address(entry.handle),
            names: self.names.get(&entry.handle).cloned().unwrap_or_default(),
            state: label,
            locators: entry
                .remote
                .iter(now)
                .map(
                    |(locator, preference, expires, state)| RemoteLocatorSnapshot {
                        locator,
                        state,
                        preference,
                        lifetime_s: lifetime_left(now, expires),
                    },
                )
                .collect(),
            last_heard_s: since(entry.activity.heard),
            last_sent_s: since(entry.activity.sent),
            update: UpdateSnapshot {
                state: match entry.update.is_awaited() {
                    true => "awaiting-ack",
                    false => "idle",
                },
                tries,
            },
        }
    }
}
