//! A host: stack, data path and node, joined as the daemon joins them.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv6Addr;

use bytes::Bytes;

use super::datapath::{DataPath, Inbound, Outbound};
use super::internet::{self, SiteId};
use super::stack::{Icmp, Message, Stack};
use crate::id::{Handle, IlVector, Locator, Nid};
use crate::node::{Config, DnsRequest, Event, Input, LinkEvent, LocalLocator, Node};
use crate::time::Instant;
use crate::wire::{Headers, Packet};

/// Rounds in which a host hands packets to itself before that counts as a livelock.
const MAX_ROUNDS: usize = 10_000;

/// What a host without ILNP does with a packet that carries a Nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unaware {
    /// It answers Parameter Problem, code 2 (RFC 8200 §4.2), as an unmodified Linux does.
    ParameterProblem,
    /// It, or a firewall in front of it, drops the packet.
    Silent,
}

/// One host.
pub struct Host {
    config: Config,
    seed: u64,
    starts: u64,
    node: Option<Node>,
    datapath: Option<DataPath>,
    unaware: Unaware,
    plugged: BTreeMap<u32, (SiteId, Locator)>,
    locators: Vec<LocalLocator>,
    events: Vec<(Instant, Event)>,
    lost: u64,
    out: VecDeque<(SiteId, Bytes)>,
    dns_requests: VecDeque<DnsRequest>,
    /// Its kernel and applications.
    pub stack: Stack,
}

impl Host {
    pub(super) fn new(config: Config, seed: u64) -> Self {
        let mut host = Self {
            config,
            seed,
            starts: 0,
            node: None,
            datapath: None,
            unaware: Unaware::ParameterProblem,
            plugged: BTreeMap::new(),
            locators: Vec::new(),
            events: Vec::new(),
            lost: 0,
            out: VecDeque::new(),
            dns_requests: VecDeque::new(),
            stack: Stack::default(),
        };
        host.datapath = Some(host.fresh_datapath());
        host.node = Some(host.fresh_node());
        host
    }

    /// Its identifier.
    pub fn nid(&self) -> Nid {
        self.config.nid
    }

    /// Its handle, alias 0, as an address.
    pub fn address(&self) -> Ipv6Addr {
        let handle = Handle::new(self.config.nid);
        self.config.handle_prefix.address(handle)
    }

    /// Its real address at a Locator.
    pub fn vector(&self, locator: Locator) -> Ipv6Addr {
        IlVector::new(self.config.nid, locator).address()
    }

    /// Its node, while a daemon runs.
    pub fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// Its data path, while it speaks ILNP.
    pub fn datapath(&self) -> Option<&DataPath> {
        self.datapath.as_ref()
    }

    /// What its node reported.
    pub fn events(&self) -> &[(Instant, Event)] {
        &self.events
    }

    /// Forgets what its node reported so far.
    pub fn clear_events(&mut self) {
        self.events.clear();
    }

    /// How many packets it could not hand to anyone: no daemon, no interface, or no source.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Tells its node something.
    pub fn tell(&mut self, now: Instant, input: Input) {
        if let Some(node) = &mut self.node {
            node.handle(now, input);
        }
    }

    /// The daemon dies; the data path goes on with what it has.
    pub fn kill_daemon(&mut self) {
        self.node = None;
    }

    /// A new daemon takes over what the data path has.
    pub fn start_daemon(&mut self, now: Instant) {
        let mut node = self.fresh_node();
        for restored in self.datapath.iter().flat_map(DataPath::restore) {
            node.restore(now, restored);
        }
        self.node = Some(node);
        self.announce(now, self.locators.clone());
    }

    /// Another host with the same identifier and the same sessions.
    pub(super) fn copy(&self, now: Instant, seed: u64) -> Self {
        let mut copy = Self::new(self.config.clone(), seed);
        copy.stack = self.stack.clone();
        copy.datapath = self.datapath.clone();
        copy.start_daemon(now);
        copy
    }

    /// The host boots again: sessions, data path and daemon are new.
    pub fn reboot(&mut self, now: Instant) {
        self.stack = self.stack.rebooted();
        self.datapath = Some(self.fresh_datapath());
        self.node = Some(self.fresh_node());
        self.announce(now, self.locators.clone());
    }

    /// The host speaks no ILNP (any more).
    pub fn make_classic(&mut self, unaware: Unaware) {
        self.node = None;
        self.datapath = None;
        self.unaware = unaware;
    }

    /// Tells the node the Locators of the host, and remembers them for the next daemon.
    pub fn announce(&mut self, now: Instant, locators: Vec<LocalLocator>) {
        self.locators.clone_from(&locators);
        self.tell(now, Input::Link(LinkEvent::Locators(locators)));
    }

    /// The Locators that were announced last.
    pub fn locators(&self) -> &[LocalLocator] {
        &self.locators
    }

    pub(super) fn plug(&mut self, interface: u32, site: Option<(SiteId, Locator)>) {
        match site {
            Some(site) => self.plugged.insert(interface, site),
            None => self.plugged.remove(&interface),
        };
    }

    pub(super) fn plugged(&self) -> impl Iterator<Item = (u32, SiteId, Locator)> {
        self.plugged
            .iter()
            .map(|(interface, (site, locator))| (*interface, *site, *locator))
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let node = self.node.as_ref().and_then(Node::poll_timeout);
        [node, self.stack.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(node) = &mut self.node
            && node.poll_timeout().is_some_and(|deadline| deadline <= now)
        {
            node.handle(now, Input::Timeout);
        }
        self.stack.handle_timeout(now);
    }

    /// A packet arrives from the wire.
    pub(super) fn receive(&mut self, now: Instant, octets: Bytes) {
        let packet = Packet::new(octets);
        let Some(datapath) = &mut self.datapath else {
            self.receive_unaware(now, &packet.octets);
            return;
        };
        match datapath.inbound(now, &packet) {
            Inbound::Stack(translated) => self.stack.receive(now, &translated.octets),
            Inbound::Classic => self.stack.receive(now, &packet.octets),
            Inbound::Daemon => self.give_daemon(now, Input::Inbound(packet)),
            Inbound::Dropped => self.lost += 1,
        }
    }

    fn receive_unaware(&mut self, now: Instant, octets: &Bytes) {
        const PARAMETER_PROBLEM: u8 = 4;
        const UNRECOGNISED_OPTION: u8 = 2;
        const LONGEST_QUOTE: usize = 1280 - 48;
        let Ok(headers) = Headers::parse(octets) else {
            return;
        };
        let Some(nonce) = headers.nonce else {
            self.stack.receive(now, octets);
            return;
        };
        if self.unaware == Unaware::Silent {
            return;
        }
        let pointer = u32::try_from(nonce.option.start).unwrap_or(u32::MAX);
        let mut body = pointer.to_be_bytes().to_vec();
        body.extend_from_slice(&octets[..octets.len().min(LONGEST_QUOTE)]);
        self.stack.send(Message::Icmp(Icmp {
            source: headers.destination,
            destination: headers.source,
            kind: PARAMETER_PROBLEM,
            code: UNRECOGNISED_OPTION,
            body: body.into(),
        }));
    }

    /// Carries everything that waits to where it goes, until nothing waits.
    pub(super) fn settle(&mut self, now: Instant) {
        for _ in 0..MAX_ROUNDS {
            let mut idle = true;
            while let Some(octets) = self.stack.poll() {
                self.send(now, octets);
                idle = false;
            }
            idle &= !self.drain_node(now);
            if idle {
                return;
            }
        }
        panic!("{} hands packets to itself without end", self.address());
    }

    /// One round of the driver's loop. Returns whether there was anything.
    fn drain_node(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(update) = self.node.as_mut().and_then(Node::poll_datapath_update) {
            any = true;
            let answer = self
                .datapath
                .as_mut()
                .and_then(|datapath| datapath.apply(now, update));
            if let Some(input) = answer {
                self.tell(now, input);
            }
        }
        while let Some(packet) = self.node.as_mut().and_then(Node::poll_transmit) {
            any = true;
            let interface = self.datapath.as_ref().and_then(|d| d.injected(&packet));
            self.leave(interface, packet.octets);
        }
        while let Some(packet) = self.node.as_mut().and_then(Node::poll_deliver) {
            any = true;
            self.stack.receive(now, &packet.octets);
        }
        while let Some(request) = self.node.as_mut().and_then(Node::poll_dns_request) {
            any = true;
            self.dns_requests.push_back(request);
        }
        while let Some(event) = self.node.as_mut().and_then(Node::poll_event) {
            any = true;
            self.events.push((now, event));
        }
        any
    }

    pub(super) fn poll_leaving(&mut self) -> Option<(SiteId, Bytes)> {
        self.out.pop_front()
    }

    pub(super) fn poll_dns_request(&mut self) -> Option<DnsRequest> {
        self.dns_requests.pop_front()
    }

    /// Routes a packet of the stack.
    fn send(&mut self, now: Instant, octets: Bytes) {
        let destination = internet::destination(&octets).map(IlVector::address);
        let prefix = self.config.handle_prefix;
        if destination.is_none_or(|address| prefix.handle(address).is_none()) {
            let source = internet::source(&octets).map(|vector| vector.locator);
            let interface = self
                .plugged()
                .find_map(|(index, _, locator)| (Some(locator) == source).then_some(index));
            self.leave(interface, octets);
            return;
        }
        let packet = Packet::new(octets);
        match self.datapath.as_mut().map(|d| d.outbound(now, &packet)) {
            Some(Outbound::Wire(interface, packet)) => self.leave(Some(interface), packet.octets),
            Some(Outbound::Daemon) => self.give_daemon(now, Input::Outbound(packet)),
            None => self.lost += 1,
        }
    }

    fn leave(&mut self, interface: Option<u32>, octets: Bytes) {
        match interface.and_then(|index| self.plugged.get(&index)) {
            Some((site, _)) => self.out.push_back((*site, octets)),
            None => self.lost += 1,
        }
    }

    fn give_daemon(&mut self, now: Instant, input: Input) {
        if self.node.is_none() {
            self.lost += 1;
        }
        self.tell(now, input);
    }

    fn fresh_datapath(&self) -> DataPath {
        DataPath::new(self.config.nid, self.config.handle_prefix)
    }

    /// A node with a seed that no earlier one had: a restart must not repeat Nonces.
    fn fresh_node(&mut self) -> Node {
        self.starts += 1;
        let mut seed = [0; 32];
        let (first, rest) = seed.split_at_mut(8);
        first.copy_from_slice(&self.seed.to_le_bytes());
        rest[..8].copy_from_slice(&self.starts.to_le_bytes());
        Node::new(self.config.clone(), seed)
    }
}
