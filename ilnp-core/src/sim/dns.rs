//! What hosts publish, and a resolver that takes its time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::world::HostId;
use crate::id::{Lifetime, Nid};
use crate::node::{DnsRequest, OwnLocator, RemoteLocator, Resolved};
use crate::time::Instant;

/// The DNS of a world. Nothing is ever in a cache: what is published, everybody sees.
#[derive(Debug)]
pub struct Dns {
    /// How long an update takes to be in force.
    pub update_takes: Duration,
    /// How long an answer takes.
    pub answer_takes: Duration,
    /// For how long what is published may be kept.
    pub ttl: Lifetime,
    names: BTreeMap<HostId, String>,
    zone: BTreeMap<String, (Nid, Vec<OwnLocator>)>,
    updates: BTreeMap<(Instant, HostId), (Nid, Vec<OwnLocator>)>,
    queries: BTreeMap<(Instant, HostId, String), ()>,
    asked: u64,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            update_takes: Duration::from_millis(60),
            answer_takes: Duration::from_millis(40),
            ttl: Lifetime(5),
            names: BTreeMap::new(),
            zone: BTreeMap::new(),
            updates: BTreeMap::new(),
            queries: BTreeMap::new(),
            asked: 0,
        }
    }
}

impl Dns {
    /// Lets a host publish where it is under this name from now on.
    pub fn name(&mut self, host: HostId, name: &str) {
        self.names.insert(host, name.to_owned());
    }

    /// Publishes something by hand.
    pub fn publish(&mut self, name: &str, nid: Nid, locators: Vec<OwnLocator>) {
        self.zone.insert(name.to_owned(), (nid, locators));
    }

    /// How often hosts looked a name up again.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// What is published under a name.
    pub fn answer(&self, name: &str) -> Option<Resolved> {
        let (nid, locators) = self.zone.get(name)?;
        let locators = locators.iter().map(|own| RemoteLocator {
            locator: own.locator,
            preference: own.preference,
            lifetime: self.ttl,
        });
        Some(Resolved {
            name: Some(name.to_owned()),
            configured: false,
            nid: *nid,
            locators: locators.collect(),
        })
    }

    pub(super) fn request(&mut self, now: Instant, host: HostId, nid: Nid, request: DnsRequest) {
        match request {
            DnsRequest::Publish(locators) if locators.is_empty() => {}
            DnsRequest::Publish(locators) => {
                let due = now + self.update_takes;
                self.updates.insert((due, host), (nid, locators));
            }
            DnsRequest::LookUp { name, .. } => {
                self.asked += 1;
                let due = now + self.answer_takes;
                self.queries.insert((due, host, name), ());
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let update = self.updates.first_key_value().map(|((due, _), _)| *due);
        let query = self.queries.first_key_value().map(|((due, ..), ())| *due);
        [update, query].into_iter().flatten().min()
    }

    /// An answer that is due, after all updates that are.
    pub(super) fn poll(&mut self, now: Instant) -> Option<(HostId, Resolved)> {
        while let Some(update) = self.updates.first_entry().filter(|it| it.key().0 <= now) {
            let ((_, host), published) = update.remove_entry();
            if let Some(name) = self.names.get(&host) {
                self.zone.insert(name.clone(), published);
            }
        }
        while let Some(query) = self.queries.first_entry().filter(|it| it.key().0 <= now) {
            let ((_, host, name), ()) = query.remove_entry();
            if let Some(resolved) = self.answer(&name) {
                return Some((host, resolved));
            }
        }
        None
    }
}
