//! Two nodes without a data path between them, and the packets of their programs.

use core::net::Ipv6Addr;
use core::time::Duration;

use crate::drop_reason::DropReason;
use crate::id::{Handle, HandlePrefix, IlVector, Lifetime, Locator, Nid, Preference};
use crate::node::{
    Config, DatapathUpdate, DnsRequest, Event, LinkEvent, LocalLocator, LocatorHealth, Node,
    RemoteLocator, Resolved,
};
use crate::time::Instant;
use crate::wire::{Headers, LocatorUpdate, Nonce, Operation, Packet, Record, build, checksum};

pub(super) use crate::wire::transport::tcp_flags::{ACK, RST, SYN};

pub(super) const MOBILE: Nid = Nid::from_bits(0x0214_4fff_fe20_ee64);
pub(super) const FIXED: Nid = Nid::from_bits(0x0216_6fff_fe22_ee66);

/// A site's Locator.
pub(super) const fn site(n: u64) -> Locator {
    Locator::from_bits(0x2001_0db8_0000_0000 + n)
}

pub(super) const A: Locator = site(0xa);
pub(super) const B: Locator = site(0xb);
pub(super) const C: Locator = site(0xc);

pub(super) fn own(locator: Locator) -> LocalLocator {
    LocalLocator {
        locator,
        interface: 2,
        router: None,
        health: LocatorHealth::Working,
        valid_until: None,
        mtu: 1500,
    }
}

/// A node with its clock.
pub(super) struct Host {
    pub(super) node: Node,
    pub(super) now: Instant,
    pub(super) nid: Nid,
}

impl Host {
    pub(super) fn new(nid: Nid, locators: &[Locator]) -> Self {
        Self::with_config(Config::new(nid), locators)
    }

    pub(super) fn with_config(config: Config, locators: &[Locator]) -> Self {
        let nid = config.nid;
        let now = Instant::from_nanos(1_000_000_000_000);
        let seed = [nid.octets()[1] ^ nid.octets()[0]; 32];
        let mut host = Self {
            node: Node::new(config, seed),
            now,
            nid,
        };
        host.at(locators);
        host.flush();
        host.wait(secs(1));
        host
    }

    /// Says where the host is now.
    pub(super) fn at(&mut self, locators: &[Locator]) {
        let given = locators.iter().copied().map(own).collect();
        self.node.handle_link(self.now, LinkEvent::Locators(given));
    }

    /// What DNS says of `cn.example`.
    pub(super) fn knows(&mut self, nid: Nid, locators: &[Locator]) {
        self.resolves("cn.example", nid, locators);
    }

    /// What DNS says of a name.
    pub(super) fn resolves(
        &mut self,
        name: &str,
        nid: Nid,
        locators: &[Locator],
    ) -> Option<Handle> {
        let resolved = Self::resolved(name, nid, locators);
        self.node.handle_resolved(self.now, resolved)
    }

    pub(super) fn resolved(name: &str, nid: Nid, locators: &[Locator]) -> Resolved {
        let locators = locators
            .iter()
            .map(|&locator| RemoteLocator {
                locator,
                preference: Preference(10),
                lifetime: Lifetime(300),
            })
            .collect();
        Resolved {
            name: Some(name.to_owned()),
            configured: false,
            nid,
            locators,
        }
    }

    /// What is wanted of DNS.
    pub(super) fn dns_requests(&mut self) -> Vec<DnsRequest> {
        std::iter::from_fn(|| self.node.poll_dns_request()).collect()
    }

    pub(super) fn flush(&mut self) {
        self.transmitted();
        self.delivered();
        self.updates();
        self.dns_requests();
        self.events();
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.node.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.node.handle_timeout(self.now);
        }
        self.now = end;
    }

    pub(super) fn transmitted(&mut self) -> Vec<Packet> {
        std::iter::from_fn(|| self.node.poll_transmit()).collect()
    }

    pub(super) fn delivered(&mut self) -> Vec<Packet> {
        std::iter::from_fn(|| self.node.poll_deliver()).collect()
    }

    pub(super) fn updates(&mut self) -> Vec<DatapathUpdate> {
        std::iter::from_fn(|| self.node.poll_datapath_update()).collect()
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.node.poll_event()).collect()
    }

    pub(super) fn receive(&mut self, packet: &Packet) {
        self.node.handle_inbound(self.now, packet.clone());
    }

    pub(super) fn send(&mut self, packet: &Packet) {
        self.node.handle_outbound(self.now, packet.clone());
    }

    pub(super) fn dropped(&self, reason: DropReason) -> u64 {
        let mut counters = self.node.counters();
        counters.find(|(of, _)| *of == reason).map_or(0, |(_, n)| n)
    }

    /// How the host stands with another one.
    pub(super) fn state(&self, nid: Nid) -> Option<&'static str> {
        let all = self.node.correspondents(self.now);
        all.iter().find(|one| one.nid == nid).map(|one| one.state)
    }

    /// The Locator that packets to another host go to.
    pub(super) fn destination(&self, nid: Nid) -> Option<Locator> {
        let id = self.node.table.find(Handle::new(nid))?;
        self.node.table.get(id)?.remote.destination()
    }

    /// The Nonce that packets to another host carry.
    pub(super) fn nonce_to(&self, nid: Nid) -> Nonce {
        let id = self.node.table.find(Handle::new(nid)).unwrap();
        self.node.table.get(id).unwrap().nonces.out()
    }
}

/// Carries packets between two hosts until there are none, and gives what each delivered.
pub(super) fn exchange(a: &mut Host, b: &mut Host) -> (Vec<Packet>, Vec<Packet>) {
    for _ in 0..100 {
        let (from_a, from_b) = (a.transmitted(), b.transmitted());
        if from_a.is_empty() && from_b.is_empty() {
            return (a.delivered(), b.delivered());
        }
        from_a.iter().for_each(|packet| b.receive(packet));
        from_b.iter().for_each(|packet| a.receive(packet));
        let quiet = |host: &mut Host| answer_echoes(host);
        quiet(a);
        quiet(b);
    }
    panic!("the two never stop");
}

/// What a kernel does: Echo Requests are answered.
fn answer_echoes(host: &mut Host) {
    let delivered = host.delivered();
    for packet in delivered {
        let headers = Headers::parse(&packet.octets).unwrap();
        let message = headers.upper_layer(&packet.octets);
        if headers.protocol == 58 && message[0] == 128 {
            let mut reply = message.to_vec();
            reply[0] = 129;
            let reply = icmpv6(headers.destination, headers.source, reply);
            host.send(&reply);
        } else {
            host.node.outputs.deliver.push_back(packet);
        }
    }
    // What was not answered is looked at by the caller.
}

/// A session between a mobile host at A and a fixed one at C, proved on both sides.
pub(super) fn established() -> (Host, Host) {
    let (mut mobile, mut fixed) = strangers();
    connect(&mut mobile, &mut fixed);
    (mobile, fixed)
}

/// A mobile host at A that knows the fixed one at C.
pub(super) fn strangers() -> (Host, Host) {
    let mut mobile = Host::new(MOBILE, &[A]);
    let fixed = Host::new(FIXED, &[C]);
    mobile.knows(FIXED, &[C]);
    mobile.flush();
    (mobile, fixed)
}

/// A TCP handshake from `a` to `b`.
pub(super) fn connect(a: &mut Host, b: &mut Host) {
    let there = (handle(a.nid), handle(b.nid));
    let back = (there.1, there.0);
    a.send(&tcp(there, (1000, 80), (100, 0), SYN));
    exchange(a, b);
    b.send(&tcp(back, (80, 1000), (500, 101), SYN | ACK));
    exchange(a, b);
    a.send(&tcp(there, (1000, 80), (101, 501), ACK));
    exchange(a, b);
    assert_eq!(a.state(b.nid), Some("established"));
    assert_eq!(b.state(a.nid), Some("established"));
    a.flush();
    b.flush();
}

pub(super) fn handle(nid: Nid) -> Ipv6Addr {
    HandlePrefix::DEFAULT.address(Handle::new(nid))
}

fn ipv6(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, payload: &[u8]) -> Packet {
    let mut octets = vec![0x60, 0, 0, 0];
    octets.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    octets.extend([protocol, 64]);
    octets.extend(source.octets());
    octets.extend(destination.octets());
    octets.extend(payload);
    Packet::new(octets)
}

pub(super) fn tcp(
    ends: (Ipv6Addr, Ipv6Addr),
    ports: (u16, u16),
    numbers: (u32, u32),
    flags: u8,
) -> Packet {
    let mut segment = Vec::new();
    segment.extend(ports.0.to_be_bytes());
    segment.extend(ports.1.to_be_bytes());
    segment.extend(numbers.0.to_be_bytes());
    segment.extend(numbers.1.to_be_bytes());
    segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    ipv6(ends.0, ends.1, 6, &segment)
}

pub(super) fn udp(ends: (Ipv6Addr, Ipv6Addr), ports: (u16, u16)) -> Packet {
    let mut datagram = Vec::new();
    datagram.extend(ports.0.to_be_bytes());
    datagram.extend(ports.1.to_be_bytes());
    datagram.extend([0, 12, 0xbe, 0xef]);
    datagram.extend(b"ilnp");
    ipv6(ends.0, ends.1, 17, &datagram)
}

pub(super) fn icmpv6(source: Ipv6Addr, destination: Ipv6Addr, mut message: Vec<u8>) -> Packet {
    message[2..4].fill(0);
    let sum = checksum::icmpv6(&message, source, destination);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    ipv6(source, destination, 58, &message)
}

/// An ICMPv6 error about a packet.
pub(super) fn error(
    ends: (Ipv6Addr, Ipv6Addr),
    (kind, code, value): (u8, u8, u32),
    about: &Packet,
) -> Packet {
    let mut message = vec![kind, code, 0, 0];
    message.extend(value.to_be_bytes());
    message.extend_from_slice(&about.octets);
    icmpv6(ends.0, ends.1, message)
}

/// The packet with a Nonce that somebody else made up.
pub(super) fn with_nonce(
    packet: &Packet,
    source: Locator,
    destination: Locator,
    nonce: Nonce,
) -> Packet {
    let outward = crate::wire::translate::Outward {
        source,
        destination,
        nonce,
    };
    crate::wire::translate::outward(packet, &outward).unwrap()
}

pub(super) fn record(locator: Locator, preference: u16) -> Record {
    Record {
        locator,
        preference: Preference(preference),
        lifetime: Lifetime(300),
    }
}

/// A Locator Update with this Nonce.
pub(super) fn advertisement(
    source: IlVector,
    destination: IlVector,
    nonce: &Nonce,
    records: Vec<Record>,
) -> Packet {
    let update = LocatorUpdate::advertisement(records).unwrap();
    let message = update.emit(source.address(), destination.address());
    build::icmpv6(source, destination, nonce, &message)
}

/// The Locator Update in a packet.
pub(super) fn update_in(packet: &Packet) -> Option<LocatorUpdate> {
    let headers = Headers::parse(&packet.octets).unwrap();
    LocatorUpdate::parse(headers.upper_layer(&packet.octets)).ok()
}

pub(super) fn is_advertisement(packet: &Packet) -> bool {
    update_in(packet).is_some_and(|update| update.operation() == Operation::Advertisement)
}

pub(super) fn is_acknowledgement(packet: &Packet) -> bool {
    update_in(packet).is_some_and(|update| update.operation() == Operation::Acknowledgement)
}

pub(super) fn source(packet: &Packet) -> IlVector {
    Headers::parse(&packet.octets).unwrap().source_vector()
}

pub(super) fn destination(packet: &Packet) -> IlVector {
    Headers::parse(&packet.octets).unwrap().destination_vector()
}

pub(super) fn nonce(packet: &Packet) -> Option<Nonce> {
    Headers::parse(&packet.octets)
        .unwrap()
        .nonce
        .map(|field| field.nonce)
}

pub(super) fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn forged() -> Nonce {
    Nonce::from_slice(&[0x66; 12]).unwrap()
}
