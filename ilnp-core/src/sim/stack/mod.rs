//! A miniature of a host's kernel with its applications: sockets over addresses that know nothing
//! of ILNP.

mod message;
mod progress;
pub mod tcp;
pub mod udp;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter::from_fn;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use bytes::Bytes;
use pnet_packet::tcp::TcpFlags::{ACK, RST, SYN};

pub use message::{Datagram, Icmp, Message, Refused, Segment, packet};
pub use progress::Progress;

use crate::time::Instant;

const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
const DESTINATION_UNREACHABLE: u8 = 1;
const PORT_UNREACHABLE: u8 = 4;
/// An error quotes no more than fits into the smallest MTU (RFC 4443 §2.4).
const LONGEST_QUOTE: usize = 1280 - 48;

/// The two ends of a transport session as one of them sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sockets {
    /// This end.
    pub local: SocketAddrV6,
    /// The other end.
    pub remote: SocketAddrV6,
}

/// Transport sessions, echo and errors of one host.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    connections: BTreeMap<Sockets, tcp::Connection>,
    listening: BTreeMap<u16, Duration>,
    senders: Vec<udp::Sender>,
    bound: BTreeSet<u16>,
    streams: BTreeMap<Sockets, udp::Received>,
    echoes: Vec<(Instant, Ipv6Addr, u16, u16)>,
    errors: Vec<Icmp>,
    refused: Vec<Refused>,
    out: VecDeque<Bytes>,
    next_port: u16,
}

impl Stack {
    /// The stack of a host that booted: it remembers nothing, but kernels do not begin with the same
    /// port again.
    pub(super) fn rebooted(&self) -> Self {
        Self {
            next_port: self.next_port,
            ..Self::default()
        }
    }

    /// Accepts TCP sessions on a port; both ends write a segment at every interval.
    pub fn listen(&mut self, port: u16, interval: Duration) {
        self.listening.insert(port, interval);
    }

    /// Begins a TCP session from a fresh port.
    pub fn connect(
        &mut self,
        now: Instant,
        local: Ipv6Addr,
        remote: SocketAddrV6,
        interval: Duration,
    ) -> Sockets {
        let local = SocketAddrV6::new(local, self.fresh_port(), 0, 0);
        let sockets = Sockets { local, remote };
        let mut connection = tcp::Connection::connect(now, local, remote, interval);
        collect(&mut connection, &mut self.out);
        self.connections.insert(sockets, connection);
        sockets
    }

    /// One end of a TCP session.
    pub fn connection(&self, sockets: &Sockets) -> Option<&tcp::Connection> {
        self.connections.get(sockets)
    }

    /// The same, to change it.
    pub fn connection_mut(&mut self, sockets: &Sockets) -> Option<&mut tcp::Connection> {
        self.connections.get_mut(sockets)
    }

    /// Receives UDP on a port.
    pub fn bind(&mut self, port: u16) {
        self.bound.insert(port);
    }

    /// Sends a numbered UDP datagram at every interval from a fresh port. Returns the sockets and
    /// the sender's number.
    pub fn stream(
        &mut self,
        now: Instant,
        local: Ipv6Addr,
        remote: SocketAddrV6,
        interval: Duration,
    ) -> (Sockets, usize) {
        let local = SocketAddrV6::new(local, self.fresh_port(), 0, 0);
        self.bound.insert(local.port());
        let sender = udp::Sender::new(now, local, remote, interval);
        self.senders.push(sender);
        (Sockets { local, remote }, self.senders.len() - 1)
    }

    /// Answers a stream from the port that it arrives at, so that both ends send.
    pub fn stream_back(&mut self, now: Instant, sockets: Sockets, interval: Duration) -> usize {
        self.senders.push(udp::Sender::new(
            now,
            sockets.local,
            sockets.remote,
            interval,
        ));
        self.senders.len() - 1
    }

    /// A sender of UDP datagrams by its number.
    pub fn sender(&self, index: usize) -> Option<&udp::Sender> {
        self.senders.get(index)
    }

    /// The same, to change it.
    pub fn sender_mut(&mut self, index: usize) -> Option<&mut udp::Sender> {
        self.senders.get_mut(index)
    }

    /// What arrived of a UDP stream.
    pub fn received(&self, sockets: &Sockets) -> Option<&udp::Received> {
        self.streams.get(sockets)
    }

    /// The same, to begin a new measurement.
    pub fn received_mut(&mut self, sockets: &Sockets) -> Option<&mut udp::Received> {
        self.streams.get_mut(sockets)
    }

    /// Sends an Echo Request.
    pub fn ping(&mut self, local: Ipv6Addr, remote: Ipv6Addr, identifier: u16, sequence: u16) {
        let [i0, i1] = identifier.to_be_bytes();
        let [s0, s1] = sequence.to_be_bytes();
        self.send(Message::Icmp(Icmp {
            source: local,
            destination: remote,
            kind: ECHO_REQUEST,
            code: 0,
            body: Bytes::copy_from_slice(&[i0, i1, s0, s1, b'p', b'i', b'n', b'g']),
        }));
    }

    /// The Echo Replies so far: when, from whom, identifier, sequence number.
    pub fn echoes(&self) -> &[(Instant, Ipv6Addr, u16, u16)] {
        &self.echoes
    }

    /// The ICMPv6 errors that reached this host.
    pub fn errors(&self) -> &[Icmp] {
        &self.errors
    }

    /// What a kernel would have dropped of the packets that reached this host.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Sends any message.
    pub fn send(&mut self, message: Message) {
        self.out.push_back(message.emit());
    }

    pub(super) fn poll(&mut self) -> Option<Bytes> {
        self.out.pop_front()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let connections = self.connections.values();
        let senders = self.senders.iter().filter_map(udp::Sender::next_deadline);
        connections
            .filter_map(tcp::Connection::next_deadline)
            .chain(senders)
            .min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for connection in self.connections.values_mut() {
            connection.handle_timeout(now);
            collect(connection, &mut self.out);
        }
        for sender in &mut self.senders {
            if let Some(datagram) = sender.handle_timeout(now) {
                self.out.push_back(Message::Udp(datagram).emit());
            }
        }
    }

    pub(super) fn receive(&mut self, now: Instant, octets: &Bytes) {
        match Message::parse(octets) {
            Ok(Message::Tcp(segment)) => self.receive_segment(now, &segment),
            Ok(Message::Udp(datagram)) => self.receive_datagram(now, &datagram, octets),
            Ok(Message::Icmp(icmp)) => self.receive_icmp(now, icmp),
            Err(refused) => self.refused.push(refused),
        }
    }

    fn receive_segment(&mut self, now: Instant, segment: &Segment) {
        let sockets = Sockets {
            local: segment.destination,
            remote: segment.source,
        };
        if let Some(connection) = self.connections.get_mut(&sockets) {
            connection.handle_segment(now, segment);
            collect(connection, &mut self.out);
            return;
        }
        match self.listening.get(&sockets.local.port()) {
            Some(interval) if segment.flags & (SYN | ACK | RST) == SYN => {
                let mut connection = tcp::Connection::accept(now, segment, *interval);
                collect(&mut connection, &mut self.out);
                self.connections.insert(sockets, connection);
            }
            _ if segment.flags & RST == 0 => self.send(Message::Tcp(reset(segment))),
            _ => {}
        }
    }

    fn receive_datagram(&mut self, now: Instant, datagram: &Datagram, octets: &Bytes) {
        let sockets = Sockets {
            local: datagram.destination,
            remote: datagram.source,
        };
        if self.bound.contains(&sockets.local.port()) {
            self.streams
                .entry(sockets)
                .or_insert_with(|| udp::Received::new(now))
                .record(now, &datagram.payload);
            return;
        }
        let mut body = vec![0; 4];
        body.extend_from_slice(&octets[..octets.len().min(LONGEST_QUOTE)]);
        self.send(Message::Icmp(Icmp {
            source: *sockets.local.ip(),
            destination: *sockets.remote.ip(),
            kind: DESTINATION_UNREACHABLE,
            code: PORT_UNREACHABLE,
            body: body.into(),
        }));
    }

    fn receive_icmp(&mut self, now: Instant, icmp: Icmp) {
        match (icmp.kind, icmp.body.as_ref()) {
            (ECHO_REQUEST, _) => self.send(Message::Icmp(Icmp {
                source: icmp.destination,
                destination: icmp.source,
                kind: ECHO_REPLY,
                ..icmp
            })),
            (ECHO_REPLY, [i0, i1, s0, s1, ..]) => self.echoes.push((
                now,
                icmp.source,
                u16::from_be_bytes([*i0, *i1]),
                u16::from_be_bytes([*s0, *s1]),
            )),
            _ if icmp.is_error() => {
                if let Some(connection) =
                    quoted_sockets(&icmp.quote()).and_then(|s| self.connections.get_mut(&s))
                {
                    connection.handle_icmp_error(icmp.kind, icmp.code);
                }
                self.errors.push(icmp);
            }
            _ => {}
        }
    }

    fn fresh_port(&mut self) -> u16 {
        const FIRST: u16 = 49152;
        let port = FIRST + self.next_port;
        self.next_port = (self.next_port + 1) % (u16::MAX - FIRST);
        port
    }
}

/// Takes what a connection has to send.
fn collect(connection: &mut tcp::Connection, out: &mut VecDeque<Bytes>) {
    out.extend(from_fn(|| connection.poll()).map(|segment| Message::Tcp(segment).emit()));
}

/// What a kernel says to a segment of a session that it does not have.
fn reset(segment: &Segment) -> Segment {
    let length = u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
    let octets = length.wrapping_add(u32::from(segment.flags & SYN != 0));
    Segment {
        source: segment.destination,
        destination: segment.source,
        sequence: segment.acknowledgement,
        acknowledgement: segment.sequence.wrapping_add(octets),
        flags: RST | ACK,
        payload: Bytes::new(),
    }
}

/// The sockets of the TCP segment that an error quotes, as its sender sees them.
fn quoted_sockets(quote: &Bytes) -> Option<Sockets> {
    const TCP: u8 = 6;
    let header = quote.get(..44)?;
    let address = |at: usize| -> Option<Ipv6Addr> {
        let octets: [u8; 16] = header.get(at..at + 16)?.try_into().ok()?;
        Some(octets.into())
    };
    let (source, destination) = (address(8)?, address(24)?);
    let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    (header[6] == TCP).then(|| Sockets {
        local: SocketAddrV6::new(source, port(40), 0, 0),
        remote: SocketAddrV6::new(destination, port(42), 0, 0),
    })
}
