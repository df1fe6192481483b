//! What follows from what routers say, and from what they do not.

use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv6Addr;
use std::time::Duration;

use ilnp_core::id::{IlVector, Locator};
use ilnp_core::time::Instant;

use super::Config;
use super::interface::Interface;
use super::search::{Search, Step};
use crate::attachment::Action;
use crate::kernel::ChangedLifetime;
use crate::kernel::discovery::{Advertisement, PrefixInformation, Sender};

/// How many routers of a link are kept.
const ROUTERS: usize = 16;

/// Searches that advertisements cause start at most this often.
const SURPRISES: Duration = Duration::from_secs(1);

impl Interface {
    /// A router advertised itself.
    pub(super) fn advertised(
        &mut self,
        now: Instant,
        config: &Config,
        advertisement: &Advertisement,
        actions: &mut VecDeque<Action>,
    ) {
        let router = advertisement.router;
        if !config.allows(&self.link) || !self.has_room_for(now, router) {
            return;
        }
        let carried: BTreeSet<_> = advertisement
            .prefixes
            .iter()
            .filter(|option| option.valid != Some(Duration::ZERO))
            .map(|option| option.prefix)
            .collect();
        self.confirm(now, &carried, actions);
        self.note_surprise(now, router, &carried);
        let entry = self.routers.entry(router).or_default();
        let mut dropped = entry.advertised(now, advertisement);
        if let Some(search) = &mut self.search {
            search.heard(router, &carried);
            if !carried.is_empty() {
                let missing = |prefix: &&Locator| !search.seen.contains(prefix);
                dropped.extend(entry.prefixes.keys().filter(missing));
            }
        }
        entry.prefixes.retain(|prefix, _| !dropped.contains(prefix));
        self.lost.retain(|prefix, _| !carried.contains(prefix));
        if !dropped.is_empty() && advertisement.mac.is_none() {
            // Another router may have taken the address over, and the kernel was not told its MAC.
            let interface = self.link.index;
            actions.push_back(Action::RemoveNeighbour { interface, router });
        }
        self.doubt_silent();
        self.lose(now, dropped, actions);
        self.bury(now, actions);
        for option in &advertisement.prefixes {
            self.prefer_again(config, option);
            self.prolong(now, config, option, actions);
        }
    }

    /// A neighbour answered a probe.
    pub(super) fn answered(&mut self, neighbour: Ipv6Addr) {
        if let Some(router) = self.routers.get_mut(&neighbour) {
            router.doubted = false;
        }
        if let Some(search) = &mut self.search {
            search.answered(neighbour);
        }
    }

    /// The kernel got no answer from a neighbour, which concerns us when it is a router. An entry that
    /// we have removed is told of in the same way.
    pub(super) fn neighbour_failed(&mut self, now: Instant, address: Ipv6Addr) {
        let search = self.search.as_ref();
        if search.is_some_and(|search| search.has_removed(address)) {
            return;
        }
        if let Some(router) = self.routers.get_mut(&address)
            && !router.doubted
        {
            router.doubted = true;
            self.hint(now);
        }
    }

    /// Starts a search that nothing about the link hinted at. Whoever speaks at this very moment needs
    /// no probe.
    pub(super) fn look_around(&mut self, now: Instant) {
        if self.is_deciding() || !self.used || !self.link.carrier {
            return;
        }
        let mut search = Search::new(now, false, self.routers.keys().copied());
        for (&address, router) in &self.routers {
            if router.heard == Some(now) {
                search.answered(address);
                search.seen.extend(router.carried_at(now));
            }
        }
        self.search = Some(search);
    }

    /// Carries out a step of the search.
    pub(super) fn take_step(&mut self, now: Instant, step: Step, actions: &mut VecDeque<Action>) {
        match step {
            Step::SolicitAndProbe => {
                self.doubt_silent();
                self.solicit(now, actions);
                self.probe(actions);
            }
            Step::Solicit => self.solicit(now, actions),
            Step::Decide => {
                let silent = self.search.iter().flat_map(Search::silent);
                for address in silent {
                    if let Some(router) = self.routers.get_mut(&address) {
                        router.doubted = true;
                    }
                }
                self.bury(now, actions);
            }
            Step::Finish => self.search = None,
        }
    }

    /// Whether an advertisement of this router can be remembered. A router in doubt, or one that
    /// offers nothing, makes room for a new one.
    fn has_room_for(&mut self, now: Instant, router: Ipv6Addr) -> bool {
        if self.routers.contains_key(&router) || self.routers.len() < ROUTERS {
            return true;
        }
        let useless = self
            .routers
            .iter()
            .find(|(_, known)| {
                known.doubted || (!known.is_way_out(now) && known.prefixes.is_empty())
            })
            .map(|(address, _)| *address);
        useless.is_some_and(|address| self.routers.remove(&address).is_some())
    }

    /// Whether a search is finding out which routers are there.
    fn is_deciding(&self) -> bool {
        self.search.as_ref().is_some_and(|search| !search.decided)
    }

    /// Notices an advertisement that does not fit what is known: from a new router beside others, or
    /// with a new prefix. During a search that is what is looked for, and no surprise.
    fn note_surprise(&mut self, now: Instant, router: Ipv6Addr, carried: &BTreeSet<Locator>) {
        let unexpected = match self.routers.get(&router) {
            None => !self.routers.is_empty(),
            Some(known) => carried
                .iter()
                .any(|prefix| !known.prefixes.contains_key(prefix)),
        };
        if let Some(search) = self.search.as_mut().filter(|_| unexpected) {
            search.found();
        }
        if unexpected && !self.is_deciding() && self.surprise.is_none() {
            let earliest = self.surprised.map_or(now, |last| last + SURPRISES);
            self.surprise = Some(now.max(earliest));
        }
    }

    /// After a hint, another router with other prefixes puts those in doubt that have not answered
    /// when they are probed again. It could be beside them and only be the faster one.
    fn doubt_silent(&mut self) {
        let Some(search) = self.search.as_ref().filter(|search| search.was_repeated()) else {
            return;
        };
        for silent in search.silent() {
            if let Some(router) = self.routers.get_mut(&silent)
                && !search.seen.is_empty()
                && router
                    .prefixes
                    .keys()
                    .all(|prefix| !search.seen.contains(prefix))
            {
                router.doubted = true;
            }
        }
    }

    /// Takes the routers for gone that did not answer while another one with other prefixes spoke:
    /// the host has moved.
    fn bury(&mut self, now: Instant, actions: &mut VecDeque<Action>) {
        let Some(search) = self
            .search
            .as_ref()
            .filter(|search| search.decided && !search.seen.is_empty())
        else {
            return;
        };
        let dead: Vec<_> = search
            .silent()
            .filter(|silent| {
                self.routers.get(silent).is_some_and(|router| {
                    router.doubted
                        && router
                            .prefixes
                            .keys()
                            .all(|prefix| !search.seen.contains(prefix))
                })
            })
            .collect();
        let orphans = if search.was_repeated() {
            self.orphans(&search.seen)
        } else {
            BTreeSet::new()
        };
        let interface = self.link.index;
        for router in dead {
            let Some(known) = self.routers.remove(&router) else {
                continue;
            };
            actions.push_back(Action::RemoveDefaultRoute { interface, router });
            actions.push_back(Action::RemoveNeighbour { interface, router });
            self.lose(now, known.prefixes.into_keys().collect(), actions);
        }
        self.lose(now, orphans, actions);
    }

    /// The prefixes of addresses that a router must have advertised, though none is known that did
    /// and none does now. An address from DHCPv6 has a prefix of 128 bits.
    fn orphans(&self, seen: &BTreeSet<Locator>) -> BTreeSet<Locator> {
        self.addresses
            .values()
            .map(|known| &known.address)
            .filter(|it| it.global && !it.permanent && it.prefix_length == 64)
            .map(|it| IlVector::from(it.address).locator)
            .filter(|prefix| {
                let mut routers = self.routers.values();
                !seen.contains(prefix)
                    && !self.is_planned(*prefix)
                    && !self.lost.contains_key(prefix)
                    && !routers.any(|router| router.prefixes.contains_key(prefix))
            })
            .collect()
    }

    /// Takes the prefixes that no router advertises any more for gone. Their addresses stay, for the
    /// sessions that are bound to them, but nothing new is to use them.
    pub(super) fn lose(
        &mut self,
        now: Instant,
        prefixes: BTreeSet<Locator>,
        actions: &mut VecDeque<Action>,
    ) {
        let interface = self.link.index;
        for prefix in prefixes {
            let mut others = self.routers.values();
            if others.any(|router| router.prefixes.contains_key(&prefix)) {
                continue;
            }
            self.lost.insert(prefix, now);
            if self.uninstall_of(prefix, actions) {
                continue;
            }
            let known = self
                .addresses
                .values()
                .filter(|known| IlVector::from(known.address.address).locator == prefix);
            if known.clone().all(|known| !known.address.permanent) {
                actions.push_back(Action::RemoveOnLinkRoute { interface, prefix });
            }
            for known in known {
                let remaining = known
                    .valid_until
                    .map(|until| until.saturating_duration_since(now))
                    .filter(|_| !known.address.permanent && !known.address.deprecated);
                if let Some(valid) = remaining {
                    actions.push_back(Action::ChangeLifetime {
                        address: known.address.clone(),
                        lifetime: ChangedLifetime {
                            preferred: Duration::ZERO,
                            valid,
                        },
                    });
                }
            }
        }
    }

    /// The kernel prefers our address of an advertised prefix again, with the same advertisement (RFC
    /// 4862 §5.5.3). A host that returns need not wait until it says so.
    fn prefer_again(&mut self, config: &Config, option: &PrefixInformation) {
        let over = |time| time == Some(Duration::ZERO);
        if !option.autonomous || over(option.preferred) || over(option.valid) {
            return;
        }
        for known in self.addresses.values_mut() {
            let address = &mut known.address;
            let is_it = IlVector::from(address.address).locator == option.prefix;
            if is_it && config.is_ours(address) && !address.permanent {
                address.deprecated = false;
            }
        }
    }

    /// Does for addresses from before the token what the kernel did until then: with the token set it
    /// no longer refreshes them, and sessions that are bound to them would end with their lifetime.
    fn prolong(
        &self,
        now: Instant,
        config: &Config,
        option: &PrefixInformation,
        actions: &mut VecDeque<Action>,
    ) {
        let (Some(valid), true) = (option.valid, self.used && option.autonomous) else {
            return;
        };
        for known in self.addresses.values() {
            let address = &known.address;
            let vector = IlVector::from(address.address);
            let older = address.advertised
                && !address.temporary
                && vector.locator == option.prefix
                && vector.nid != config.nid;
            let due = known
                .valid_until
                .is_some_and(|until| until.saturating_duration_since(now) < valid * 3 / 4);
            if older && due {
                actions.push_back(Action::ChangeLifetime {
                    address: address.clone(),
                    lifetime: ChangedLifetime {
                        preferred: option.preferred.map_or(valid, |time| time.min(valid)),
                        valid,
                    },
                });
            }
        }
    }

    /// From where solicitations are sent. An optimistic address must not give its MAC address away
    /// (RFC 4429 §3.2).
    fn sender(&self) -> Option<(Sender, bool)> {
        let address = self.link_local()?;
        let sender = Sender {
            interface: self.link.index,
            address: address.address,
            mac: self.link.mac.filter(|_| !address.tentative),
        };
        Some((sender, address.tentative))
    }

    fn solicit(&mut self, now: Instant, actions: &mut VecDeque<Action>) {
        let from = self.sender();
        if let (Some((from, _)), Some(search)) = (from, &mut self.search)
            && !search.advertised
        {
            search.sent(now);
            actions.push_back(Action::Solicit(from));
        }
    }

    /// Asks the routers that have not answered. An optimistic address must not ask.
    fn probe(&self, actions: &mut VecDeque<Action>) {
        if let (Some((from, false)), Some(search)) = (self.sender(), &self.search) {
            actions.extend(search.silent().map(|router| Action::Probe { from, router }));
        }
    }
}
