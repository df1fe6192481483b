//! What is known of a router.

use std::collections::{BTreeMap, BTreeSet};

use ilnp_core::id::Locator;
use ilnp_core::time::Instant;

use crate::kernel::discovery::Advertisement;

/// A router of a link.
#[derive(Debug, Default)]
pub(super) struct Router {
    /// Until when it is a default router; `None` when it is none.
    pub(super) default_until: Option<Instant>,
    /// What it advertises.
    pub(super) prefixes: BTreeMap<Locator, Prefix>,
    /// The MTU that it advertises for the link.
    pub(super) mtu: Option<u32>,
    /// It did not answer, or its link changed since it did.
    pub(super) doubted: bool,
    /// When it last advertised itself; `None` when that was before this daemon.
    pub(super) heard: Option<Instant>,
}

/// A prefix that a router advertises.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix {
    /// Until when it is valid; `None` for ever.
    pub(super) valid_until: Option<Instant>,
    /// When it was last advertised; `None` when that was before this daemon.
    pub(super) heard: Option<Instant>,
}

impl Router {
    /// How many prefixes of a router are kept: as many as a few of its advertisements carry.
    const PREFIXES: usize = 4 * Advertisement::PREFIXES;

    /// Whether packets can be sent by it.
    pub(super) fn is_way_out(&self, now: Instant) -> bool {
        self.default_until.is_some_and(|until| now < until)
    }

    /// Takes an advertisement over and returns the prefixes that it withdraws.
    pub(super) fn advertised(
        &mut self,
        now: Instant,
        advertisement: &Advertisement,
    ) -> BTreeSet<Locator> {
        self.heard = Some(now);
        self.doubted = false;
        self.mtu = advertisement.mtu;
        self.default_until =
            (!advertisement.lifetime.is_zero()).then(|| now + advertisement.lifetime);
        let mut withdrawn = BTreeSet::new();
        for option in &advertisement.prefixes {
            let valid_until = option.valid.map(|valid| now + valid);
            if valid_until == Some(now) {
                if self.prefixes.remove(&option.prefix).is_some() {
                    withdrawn.insert(option.prefix);
                }
            } else if self.prefixes.len() < Self::PREFIXES
                || self.prefixes.contains_key(&option.prefix)
            {
                let prefix = Prefix {
                    valid_until,
                    heard: Some(now),
                };
                self.prefixes.insert(option.prefix, prefix);
            }
        }
        withdrawn
    }

    /// The prefixes in an advertisement that came at this moment.
    pub(super) fn carried_at(&self, now: Instant) -> impl Iterator<Item = Locator> {
        self.prefixes
            .iter()
            .filter(move |(_, prefix)| prefix.heard == Some(now))
            .map(|(prefix, _)| *prefix)
    }

    /// Forgets the prefixes whose lifetime is over.
    pub(super) fn pass_time(&mut self, now: Instant) {
        self.prefixes
            .retain(|_, prefix| prefix.valid_until.is_none_or(|until| now < until));
    }

    /// When something of it ends.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.prefixes
            .values()
            .filter_map(|prefix| prefix.valid_until)
            .chain(self.default_until)
            .filter(|until| now < *until)
            .min()
    }
}
