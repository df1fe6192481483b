//! A move that was told in advance: everything is put in place, and used as soon as the host is there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ilnp_core::id::{IlVector, Locator};
use ilnp_core::node::{LocalLocator, LocatorHealth};
use ilnp_core::time::Instant;

use super::Detector;
use super::interface::Interface;
use super::router::{Prefix, Router};
use crate::attachment::{Action, Piece, Plan};
use crate::kernel::ChangedLifetime;

impl Detector {
    /// Puts everything in place for a move, and returns the Locators that this host will have and has
    /// not yet. Takes the place of an earlier plan.
    ///
    /// # Errors
    /// Why no interface can be moved, for people.
    pub fn prepare(&mut self, now: Instant, mut plan: Plan) -> Result<Vec<LocalLocator>, String> {
        let moved = self
            .movable()
            .ok_or("no interface of this host has a Locator")?;
        let present: Vec<_> = self.locators.iter().map(|own| own.locator).collect();
        plan.locators.retain(|locator| !present.contains(locator));
        for (index, interface) in &mut self.interfaces {
            let stays = |piece| *index == moved && plan.has(piece);
            interface.take_back_but(stays, &mut self.actions);
        }
        let Some(interface) = self.interfaces.get_mut(&moved) else {
            return Err("the interface is gone".to_owned());
        };
        let future = plan.locators.iter().map(|&locator| LocalLocator {
            locator,
            interface: moved,
            router: Some(plan.next_hop()),
            health: LocatorHealth::Working,
            valid_until: None,
            mtu: interface.mtu(),
        });
        let future = future.collect();
        interface.put_in_place(plan, self.config.nid, &mut self.actions);
        self.settle(now);
        Ok(future)
    }

    /// This host stays where it is.
    pub fn take_back(&mut self, now: Instant) {
        for interface in self.interfaces.values_mut() {
            interface.take_back_but(|_| false, &mut self.actions);
        }
        self.settle(now);
    }

    /// Somebody who knows says that this host was moved: as planned, if there was a plan, or
    /// somewhere.
    pub fn handle_arrival(&mut self, now: Instant) {
        self.noticed = Some(now);
        for interface in self.interfaces.values_mut() {
            if !interface.arrive(now, &mut self.actions) {
                interface.hint_at_migration(now);
            }
        }
        self.settle(now);
    }

    /// Whether a planned move has just come to its end, so that events are more urgent than actions.
    pub fn has_arrived(&mut self) -> bool {
        // There is one plan, so that no other interface can have arrived.
        let mut interfaces = self.interfaces.values_mut();
        interfaces.any(|interface| std::mem::take(&mut interface.arrived_now))
    }

    /// The interface that packets leave by.
    fn movable(&self) -> Option<u32> {
        let best = self.locators.first().map(|own| own.interface);
        best.filter(|index| self.interfaces.contains_key(index))
    }
}

impl Interface {
    /// Whether this prefix is one of the place that the host is going to.
    pub(super) fn is_planned(&self, prefix: Locator) -> bool {
        let plan = self.plan.as_ref();
        plan.is_some_and(|plan| plan.locators.contains(&prefix))
    }

    fn put_in_place(
        &mut self,
        plan: Plan,
        nid: ilnp_core::id::Nid,
        actions: &mut VecDeque<Action>,
    ) {
        if plan.locators.is_empty() {
            return;
        }
        for &locator in &plan.locators {
            let address = IlVector::new(nid, locator).address();
            // One from an earlier stay is as good, and not ours to remove.
            if !self.addresses.contains_key(&address) {
                self.install(Piece::Address(address), actions);
            }
        }
        self.install(Piece::DefaultRoute(plan.router), actions);
        if let Some(mac) = plan.router_mac {
            // The kernel forgets it again when it is not used.
            actions.push_back(Action::SetNeighbour {
                interface: self.link.index,
                address: plan.next_hop(),
                mac,
            });
        }
        self.plan = Some(plan);
    }

    fn install(&mut self, piece: Piece, actions: &mut VecDeque<Action>) {
        if !self.installed.contains(&piece) {
            self.installed.push(piece);
            actions.push_back(Action::Install {
                interface: self.link.index,
                name: self.link.name.clone(),
                piece,
            });
        }
    }

    fn take_back_but(&mut self, stays: impl Fn(Piece) -> bool, actions: &mut VecDeque<Action>) {
        if self.plan.take().is_some() {
            self.uninstall_but(stays, actions);
        }
    }

    /// Removes what was put in place and does not stay.
    pub(super) fn uninstall_but(
        &mut self,
        stays: impl Fn(Piece) -> bool,
        actions: &mut VecDeque<Action>,
    ) {
        for piece in self.installed.extract_if(.., |piece| !stays(*piece)) {
            if let Piece::Address(address) = piece {
                // Not only when the kernel says so: nobody is to be told of it meanwhile.
                self.addresses.remove(&address);
            }
            actions.push_back(Action::Uninstall {
                interface: self.link.index,
                name: self.link.name.clone(),
                piece,
            });
        }
    }

    /// The kernel announced a migration. Where an old Locator was configured by hand no advertisement
    /// could bring it back if this were none.
    pub(super) fn announced(&mut self, now: Instant, actions: &mut VecDeque<Action>) {
        let configured = self
            .addresses
            .values()
            .any(|known| known.address.global && known.address.permanent);
        if configured || !self.arrive(now, actions) {
            self.hint_at_migration(now);
        }
    }

    /// The host is where the plan says: uses everything at once, and asks the routers to confirm it.
    /// Returns whether there was a plan.
    pub(super) fn arrive(&mut self, now: Instant, actions: &mut VecDeque<Action>) -> bool {
        let Some(plan) = self.plan.take() else {
            return false;
        };
        let interface = self.link.index;
        self.arrived_now = true;
        // The first packet must not go to the old router because it has the same address.
        actions.push_front(match plan.router_mac {
            Some(mac) => Action::SetNeighbour {
                interface,
                address: plan.router,
                mac,
            },
            None => Action::RemoveNeighbour {
                interface,
                router: plan.router,
            },
        });
        let old = self.leave_behind(&plan, actions);
        self.lose(now, old, actions);
        let mut prefixes = BTreeMap::new();
        for &prefix in &plan.locators {
            self.lost.remove(&prefix);
            let valid_until = Some(now + Piece::VALID);
            prefixes.insert(
                prefix,
                Prefix {
                    valid_until,
                    heard: None,
                },
            );
            self.begin_to_use(now, prefix, actions);
        }
        let router = Router {
            default_until: Some(Instant::from_nanos(u64::MAX)),
            prefixes,
            ..Router::default()
        };
        self.routers.insert(plan.router, router);
        self.carrier_lost = self.carrier_lost.filter(|_| !self.link.carrier);
        self.search = None;
        self.hint(now);
        if let Some(search) = self.search.as_mut().filter(|_| plan.router_mac.is_none()) {
            search.has_no_entry_of(plan.router);
        }
        true
    }

    /// Forgets the routers of the old link, and returns the prefixes that were there.
    fn leave_behind(&mut self, plan: &Plan, actions: &mut VecDeque<Action>) -> BTreeSet<Locator> {
        let interface = self.link.index;
        let mut old: BTreeSet<_> = self
            .addresses
            .values()
            .filter(|known| known.address.global && known.address.prefix_length == 64)
            .map(|known| IlVector::from(known.address.address).locator)
            .collect();
        for (router, known) in std::mem::take(&mut self.routers) {
            old.extend(known.prefixes.into_keys());
            if router != plan.router {
                actions.push_back(Action::RemoveDefaultRoute { interface, router });
                actions.push_back(Action::RemoveNeighbour { interface, router });
            }
        }
        old.retain(|prefix| !plan.locators.contains(prefix) && !self.lost.contains_key(prefix));
        old
    }

    /// Addresses of this prefix are deprecated no longer.
    fn begin_to_use(&mut self, now: Instant, prefix: Locator, actions: &mut VecDeque<Action>) {
        for known in self.addresses.values_mut() {
            let is_it = IlVector::from(known.address.address).locator == prefix;
            if !is_it || known.address.permanent {
                continue;
            }
            known.valid_until = Some(now + Piece::VALID);
            known.address.deprecated = false;
            actions.push_back(Action::ChangeLifetime {
                address: known.address.clone(),
                lifetime: ChangedLifetime {
                    preferred: Piece::VALID,
                    valid: Piece::VALID,
                },
            });
        }
    }

    /// A router advertised these prefixes: from now on the kernel looks after what it was told of. The
    /// advertisement of a planned prefix tells that the host has arrived.
    pub(super) fn confirm(
        &mut self,
        now: Instant,
        carried: &BTreeSet<Locator>,
        actions: &mut VecDeque<Action>,
    ) {
        if carried.iter().any(|prefix| self.is_planned(*prefix)) {
            self.arrive(now, actions);
        }
        let mut prefixes = self.installed.iter().filter_map(|piece| piece.prefix());
        let confirmed = self.installed.iter().all(|piece| piece.prefix().is_none())
            || prefixes.any(|prefix| carried.contains(&prefix));
        if self.plan.is_some() || !confirmed {
            return;
        }
        let is_carried = |piece: Piece| piece.prefix().is_some_and(|it| carried.contains(&it));
        self.uninstall_but(is_carried, actions);
        let name = &self.link.name;
        actions.extend(self.installed.drain(..).map(|piece| Action::Keep {
            name: name.clone(),
            piece,
        }));
    }

    /// Removes the address that was put in place for a prefix, for the prefix is elsewhere. Whether
    /// there was one.
    pub(super) fn uninstall_of(&mut self, prefix: Locator, actions: &mut VecDeque<Action>) -> bool {
        let before = self.installed.len();
        self.uninstall_but(|piece| piece.prefix() != Some(prefix), actions);
        let removed = self.installed.len() != before;
        if removed && self.installed.iter().all(|piece| piece.prefix().is_none()) {
            self.uninstall_but(|_| false, actions);
        }
        removed
    }
}
