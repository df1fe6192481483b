//! What is known of one interface, and what follows from news about it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv6Addr;
use std::time::Duration;

use ilnp_core::id::{IlVector, Locator};
use ilnp_core::time::Instant;

use super::Config;
use super::router::{Prefix, Router};
use super::search::Search;
use crate::attachment::{Action, Piece, Plan};
use crate::kernel::{Address, Link};

/// An interface of this host.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) link: Link,
    /// It bears Locators, or may at any time.
    pub(super) used: bool,
    pub(super) addresses: BTreeMap<Ipv6Addr, Known>,
    pub(super) routers: BTreeMap<Ipv6Addr, Router>,
    /// Prefixes that are no longer on the link, and since when.
    pub(super) lost: BTreeMap<Locator, Instant>,
    /// Prefixes under which another node has our identifier, until a check says otherwise. An
    /// optimistic address is no longer good enough there (RFC 6741 §3.1).
    pub(super) duplicates: BTreeSet<Locator>,
    /// Since when there is no carrier.
    pub(super) carrier_lost: Option<Instant>,
    pub(super) search: Option<Search>,
    /// An advertisement said something unexpected, and the search for an explanation starts then.
    pub(super) surprise: Option<Instant>,
    /// When the last search started that an advertisement caused.
    pub(super) surprised: Option<Instant>,
    /// Where the host will be moved to.
    pub(super) plan: Option<Plan>,
    /// What is in the kernel because of a plan, and not because of an advertisement.
    pub(super) installed: Vec<Piece>,
    /// The host was just moved as planned.
    pub(super) arrived_now: bool,
}

/// An address of the interface.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) address: Address,
    /// When its valid lifetime ends; `None` for never.
    pub(super) valid_until: Option<Instant>,
}

/// For how long a Locator that was lost is kept as the last one, because its successor is on its way:
/// a check for duplicates takes a second or two where it is not optimistic.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// How many addresses of an interface are kept. A kernel accepts sixteen from routers.
const ADDRESSES: usize = 64;

/// The least MTU that a router may advertise (RFC 8200 §5).
const LEAST_MTU: u32 = 1280;

impl Interface {
    pub(super) fn new(now: Instant, link: Link) -> Self {
        Self {
            carrier_lost: (!link.carrier).then_some(now),
            link,
            used: false,
            addresses: BTreeMap::new(),
            routers: BTreeMap::new(),
            lost: BTreeMap::new(),
            duplicates: BTreeSet::new(),
            search: None,
            surprise: None,
            surprised: None,
            plan: None,
            installed: Vec::new(),
            arrived_now: false,
        }
    }

    /// The MTU for IPv6.
    pub(super) fn mtu(&self) -> u32 {
        self.routers
            .values()
            .filter_map(|router| router.mtu)
            .filter(|mtu| *mtu >= LEAST_MTU)
            .fold(self.link.mtu, u32::min)
    }

    /// The link changed.
    pub(super) fn changed(
        &mut self,
        now: Instant,
        config: &Config,
        link: Link,
        actions: &mut VecDeque<Action>,
    ) {
        let before = std::mem::replace(&mut self.link, link);
        let had_token = before.token == Some(config.nid);
        if self.used && had_token && self.lacks_token(config) {
            actions.push_back(self.preparation(config));
        }
        if before.carrier && !self.link.carrier {
            self.carrier_lost = Some(now);
            self.search = None;
        }
        let flapped = before
            .carrier_ups
            .zip(self.link.carrier_ups)
            .is_some_and(|(before, now)| before != now);
        let returned = self.link.carrier && (!before.carrier || flapped);
        if returned {
            self.carrier_lost = None;
            for router in self.routers.values_mut() {
                router.doubted = true;
            }
            self.hint(now);
        }
    }

    /// Something hints at a move: looks for routers, and asks those that are known.
    pub(super) fn hint(&mut self, now: Instant) {
        let repeated = self
            .search
            .as_ref()
            .is_some_and(|search| search.is_just_started(now));
        if self.used && self.link.carrier && !repeated {
            self.search = Some(Search::new(now, true, self.routers.keys().copied()));
        }
    }

    /// Like [`hint`](Self::hint), when a migration was announced. QEMU announces one five times within
    /// a second, and a guest that has just arrived need not look for what it has found.
    pub(super) fn hint_at_migration(&mut self, now: Instant) {
        if !self.search.as_ref().is_some_and(Search::has_found) {
            self.hint(now);
        }
    }

    /// An address is new or changed.
    pub(super) fn address(&mut self, now: Instant, config: &Config, address: Address) {
        let vector = IlVector::from(address.address);
        let ours = address.global && vector.nid == config.nid;
        if ours && address.duplicate {
            self.duplicate(vector.locator);
        } else if ours && !address.tentative {
            self.duplicates.remove(&vector.locator);
        }
        let spoke = self.link_local().is_some();
        let valid_until = address.valid.map(|valid| now + valid);
        let is_known = self.addresses.contains_key(&address.address);
        if is_known || self.addresses.len() < ADDRESSES {
            let known = Known {
                address,
                valid_until,
            };
            self.addresses.insert(known.address.address, known);
            self.credit_assumed_router(config);
        }
        if !spoke
            && self.link_local().is_some()
            && let Some(search) = &mut self.search
        {
            search.retry(now);
        }
    }

    /// An address is gone.
    pub(super) fn address_gone(&mut self, config: &Config, address: &Address) {
        let vector = IlVector::from(address.address);
        if address.global && vector.nid == config.nid && address.duplicate {
            self.duplicate(vector.locator);
        }
        self.addresses.remove(&address.address);
    }

    /// Takes over the complete set of addresses.
    pub(super) fn replace_addresses<'a>(
        &mut self,
        now: Instant,
        config: &Config,
        addresses: impl Iterator<Item = &'a Address>,
    ) {
        self.addresses.clear();
        for address in addresses {
            self.address(now, config, address.clone());
        }
    }

    /// After a start, the only default gateway is taken for the router of the advertised prefixes
    /// until one is heard.
    pub(super) fn assume_router(
        &mut self,
        config: &Config,
        gateways: impl Iterator<Item = Ipv6Addr>,
    ) {
        let gateways: BTreeSet<_> = gateways.collect();
        if let (Some(&gateway), 1, true) =
            (gateways.first(), gateways.len(), self.routers.is_empty())
        {
            let router = Router {
                default_until: Some(Instant::from_nanos(u64::MAX)),
                ..Router::default()
            };
            self.routers.insert(gateway, router);
            self.credit_assumed_router(config);
        }
    }

    /// Takes the prefixes of our addresses for those of the router that was assumed, if it is the
    /// only one.
    fn credit_assumed_router(&mut self, config: &Config) {
        let mut routers = self.routers.values_mut();
        let (Some(router), None) = (routers.next(), routers.next()) else {
            return;
        };
        if router.heard.is_some() {
            return;
        }
        for known in self.addresses.values() {
            let planned = self.plan.as_ref().is_some_and(|plan| {
                let locator = IlVector::from(known.address.address).locator;
                plan.locators.contains(&locator)
            });
            if config.is_ours(&known.address) && !known.address.permanent && !planned {
                let prefix = Prefix {
                    valid_until: known.valid_until,
                    heard: None,
                };
                let locator = IlVector::from(known.address.address).locator;
                router.prefixes.insert(locator, prefix);
            }
        }
    }

    /// Starts to use the interface when it may bear Locators.
    pub(super) fn consider_use(
        &mut self,
        now: Instant,
        config: &Config,
        actions: &mut VecDeque<Action>,
    ) {
        let reason = config.interfaces.is_some()
            || self
                .routers
                .values()
                .any(|router| !router.prefixes.is_empty())
            || self.addresses.values().any(|known| {
                let locator = IlVector::from(known.address.address).locator;
                known.address.global && known.address.prefix_length == 64 && locator.is_usable()
            });
        if self.used || !reason || !config.allows(&self.link) {
            return;
        }
        self.used = true;
        actions.push_back(self.preparation(config));
        self.look_around(now);
    }

    /// Gets the interface ready once more: its token was taken back meanwhile, of which the kernel
    /// does not tell.
    pub(super) fn prepare_anew(&mut self, config: &Config, actions: &mut VecDeque<Action>) {
        if self.used {
            self.link.token = None;
            actions.push_back(self.preparation(config));
        }
    }

    /// Carries out what is due.
    pub(super) fn pass_time(&mut self, now: Instant, actions: &mut VecDeque<Action>) {
        for router in self.routers.values_mut() {
            router.pass_time(now);
        }
        // A prefix stays lost for as long as there is an address from it.
        let addresses = &self.addresses;
        self.lost.retain(|prefix, since| {
            now.saturating_duration_since(*since) < GRACE
                || addresses
                    .keys()
                    .any(|address| IlVector::from(*address).locator == *prefix)
        });
        if self.surprise.is_some_and(|at| at <= now) {
            self.surprise = None;
            self.surprised = Some(now);
            self.look_around(now);
        }
        let awaited = self.routers.values().any(|router| router.doubted);
        // Ends, because a step moves the next one into the future.
        while let Some(step) = self
            .search
            .as_mut()
            .and_then(|search| search.step(now, awaited))
        {
            self.take_step(now, step, actions);
        }
    }

    /// When [`pass_time`](Self::pass_time) has something to do, or the set of Locators changes.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let graces = self
            .lost
            .values()
            .copied()
            .chain(self.carrier_lost)
            .map(|since| since + GRACE)
            .filter(|until| now < *until);
        let routers = self
            .routers
            .values()
            .filter_map(|router| router.deadline(now));
        graces
            .chain(routers)
            .chain(self.surprise)
            .chain(self.search.as_ref().map(Search::next))
            .min()
    }
}

impl Interface {
    /// This host's link-local address, once it can be used.
    pub(super) fn link_local(&self) -> Option<&Address> {
        self.addresses
            .values()
            .map(|known| &known.address)
            .find(|address| address.address.is_unicast_link_local() && address.is_usable())
    }

    fn lacks_token(&self, config: &Config) -> bool {
        self.link.token != Some(config.nid)
    }

    fn preparation(&self, config: &Config) -> Action {
        let formed_anyway = self
            .link_local()
            .is_some_and(|address| IlVector::from(address.address).nid == config.nid);
        Action::Prepare {
            interface: self.link.index,
            name: self.link.name.clone(),
            set_token: self.lacks_token(config) && !formed_anyway,
        }
    }

    /// Another node has our identifier under this prefix (RFC 6741 §3.1): the Locator is not used,
    /// sessions stay on others.
    fn duplicate(&mut self, prefix: Locator) {
        if self.duplicates.len() < ADDRESSES && self.duplicates.insert(prefix) {
            tracing::warn!(
                %prefix,
                interface = %self.link.name,
                "another node on this link has our identifier: the Locator is not used. Find the node \
                 that was cloned from this one, or give this one another `nid`"
            );
        }
    }
}
