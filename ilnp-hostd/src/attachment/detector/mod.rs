//! Detects moves.

mod interface;
mod planned;
mod router;
mod routers;
mod search;
mod set;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use ilnp_core::id::{IlVector, Nid};
use ilnp_core::node::{LinkEvent, LocalLocator};
use ilnp_core::time::Instant;

use self::interface::Interface;
use super::{Action, AttachmentEvent};
use crate::kernel::discovery::{Heard, HeardMessage};
use crate::kernel::{Address, KernelEvent, Link, Snapshot};

/// Decides where this host is attached.
///
/// Kernel events, what is heard from routers, hints and the passing of time come in; after each,
/// [`poll_action`](Self::poll_action), [`poll_event`](Self::poll_event) and
/// [`poll_timeout`](Self::poll_timeout) tell what is to be done, what happened and when to come back.
/// It does no input or output and reads no clock.
#[derive(Debug)]
pub struct Detector {
    config: Config,
    interfaces: BTreeMap<u32, Interface>,
    actions: VecDeque<Action>,
    /// The set of Locators as it is.
    locators: Vec<LocalLocator>,
    /// The set that was last told; `None` before the first.
    told: Option<Vec<LocalLocator>>,
    /// Name and MTU of the interfaces that were told to be in use.
    told_interfaces: BTreeMap<u32, (String, u32)>,
    /// When something hinted at a move, until that was told.
    noticed: Option<Instant>,
    now: Instant,
}

/// What a [`Detector`] goes by.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node's identifier.
    pub nid: Nid,
    /// The interfaces that may bear Locators; `None` for every Ethernet-like one with a global /64.
    pub interfaces: Option<Vec<String>>,
    /// The interface that bears the handles, and never a Locator.
    pub ilnp_interface: String,
}

impl Detector {
    /// A detector that knows of nothing yet.
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            interfaces: BTreeMap::new(),
            actions: VecDeque::new(),
            locators: Vec::new(),
            told: None,
            told_interfaces: BTreeMap::new(),
            noticed: None,
            now: Instant::ZERO,
        }
    }

    /// The kernel's state changed.
    pub fn handle_kernel(&mut self, now: Instant, event: KernelEvent) {
        match event {
            KernelEvent::Snapshot(snapshot) => self.replace(now, snapshot),
            KernelEvent::Link {
                link,
                peers_notified,
            } => self.link(now, link, peers_notified),
            KernelEvent::LinkGone { interface } => {
                self.interfaces.remove(&interface);
            }
            KernelEvent::Address(address) => {
                if let Some(interface) = self.interfaces.get_mut(&address.interface) {
                    interface.address(now, &self.config, address);
                }
            }
            KernelEvent::AddressGone(address) => {
                if let Some(interface) = self.interfaces.get_mut(&address.interface) {
                    interface.address_gone(&self.config, &address);
                }
            }
            KernelEvent::NeighbourFailed { interface, address } => {
                if let Some(interface) = self.interfaces.get_mut(&interface) {
                    interface.neighbour_failed(now, address);
                }
            }
        }
        self.settle(now);
    }

    /// A router or neighbour was heard.
    pub fn handle_heard(&mut self, now: Instant, heard: &Heard) {
        let Some(interface) = self.interfaces.get_mut(&heard.interface) else {
            return;
        };
        match &heard.message {
            HeardMessage::Advertisement(advertisement) => {
                interface.advertised(now, &self.config, advertisement, &mut self.actions);
            }
            HeardMessage::Answer(neighbour) => interface.answered(*neighbour),
        }
        self.settle(now);
    }

    /// Somebody who knows says that the host may have moved.
    pub fn handle_hint(&mut self, now: Instant) {
        for interface in self.interfaces.values_mut() {
            interface.hint(now);
        }
        self.settle(now);
    }

    /// Addresses may be made of the identifier again, which was forbidden for a while: gets every
    /// interface ready anew, and looks for the routers that make them.
    pub fn handle_release(&mut self, now: Instant) {
        for interface in self.interfaces.values_mut() {
            interface.prepare_anew(&self.config, &mut self.actions);
        }
        self.handle_hint(now);
    }

    /// The moment of [`poll_timeout`](Self::poll_timeout) passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle(now);
    }

    /// What [`poll_action`](Self::poll_action) would take.
    pub fn next_action(&self) -> Option<&Action> {
        self.actions.front()
    }

    /// The next thing to be done.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next thing that happened. Events that nobody asked for are not kept: only what is true now
    /// is told.
    pub fn poll_event(&mut self) -> Option<AttachmentEvent> {
        if let Some(at) = self.noticed.take() {
            return Some(AttachmentEvent::Noticed { at });
        }
        for (&index, interface) in &self.interfaces {
            let link = (interface.link.name.clone(), interface.mtu());
            if interface.used && self.told_interfaces.get(&index) != Some(&link) {
                self.told_interfaces.insert(index, link.clone());
                let (name, mtu) = link;
                return Some(AttachmentEvent::InterfaceUsed { index, name, mtu });
            }
        }
        if set::is_news(self.told.as_deref(), &self.locators, self.now) {
            self.told = Some(self.locators.clone());
            let event = LinkEvent::Locators(self.locators.clone());
            return Some(AttachmentEvent::Link(event));
        }
        let gone = self
            .told_interfaces
            .keys()
            .copied()
            .find(|index| !self.interfaces.get(index).is_some_and(|known| known.used))?;
        self.told_interfaces.remove(&gone);
        Some(AttachmentEvent::InterfaceGone { index: gone })
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.interfaces
            .values()
            .filter_map(|interface| interface.deadline(self.now))
            .min()
    }

    /// MTUs of the links of the interfaces in use.
    pub fn link_mtus(&self) -> impl Iterator<Item = u32> {
        self.interfaces
            .values()
            .filter(|interface| interface.used)
            .map(Interface::mtu)
    }

    /// Takes over what the kernel has: what was missed, and what is no more.
    fn replace(&mut self, now: Instant, snapshot: Snapshot) {
        for name in self.config.interfaces.iter().flatten() {
            if !snapshot.links.iter().any(|link| link.name == *name) {
                tracing::warn!("there is no interface {name} (yet): it is used when it appears");
            }
        }
        self.interfaces
            .retain(|index, _| snapshot.links.iter().any(|link| link.index == *index));
        for link in snapshot.links {
            self.link(now, link, false);
        }
        for (&index, interface) in &mut self.interfaces {
            let addresses = snapshot
                .addresses
                .iter()
                .filter(|address| address.interface == index);
            interface.replace_addresses(now, &self.config, addresses);
            let gateways = snapshot
                .default_routes
                .iter()
                .filter(|(interface, _)| *interface == index)
                .map(|(_, gateway)| *gateway);
            interface.assume_router(&self.config, gateways);
        }
    }

    fn link(&mut self, now: Instant, link: Link, peers_notified: bool) {
        if link.name == self.config.ilnp_interface {
            return;
        }
        match self.interfaces.entry(link.index) {
            Entry::Occupied(mut known) => {
                let interface = known.get_mut();
                interface.changed(now, &self.config, link, &mut self.actions);
                if peers_notified {
                    self.noticed = Some(now);
                    interface.announced(now, &mut self.actions);
                }
            }
            Entry::Vacant(new) => {
                new.insert(Interface::new(now, link));
            }
        }
    }

    /// Draws the conclusions from what came in.
    fn settle(&mut self, now: Instant) {
        self.now = now;
        for interface in self.interfaces.values_mut() {
            interface.consider_use(now, &self.config, &mut self.actions);
            interface.pass_time(now, &mut self.actions);
        }
        self.locators = set::collect(now, &self.config, self.interfaces.values());
    }
}

impl Config {
    /// Whether an address makes a Locator of its prefix.
    fn is_ours(&self, address: &Address) -> bool {
        let vector = IlVector::from(address.address);
        address.global && vector.nid == self.nid && vector.locator.is_usable()
    }

    /// Whether a link may bear Locators by its name and kind.
    fn allows(&self, link: &Link) -> bool {
        match &self.interfaces {
            Some(names) => names.contains(&link.name),
            None => link.ethernet,
        }
    }
}
