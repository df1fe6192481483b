//! Octets as a sequence of inputs to a node: the body of the fuzz target `node`.
//!
//! A program of one-octet operations builds packets from templates, bends them, and mixes them with
//! link events, names and time. Whatever it is, the node must not panic, stand still or grow, and
//! what it sends must be well formed.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use bytes::Bytes;
use pnet_packet::tcp::TcpFlags::{ACK, RST, SYN};

use crate::id::{Handle, HandlePrefix, IlVector, Lifetime, Locator, Preference};
use crate::node::{
    Activity, Config, DatapathUpdate, Input, LinkEvent, LocalLocator, LocatorHealth, MoveOrder,
    Node, RemoteLocator, Resolved,
};
use crate::sim::stack::{Datagram, Icmp, Message, Segment, packet};
use crate::sim::{host_nid, site_locator};
use crate::time::Instant;
use crate::wire::translate::{Outward, outward};
use crate::wire::{Headers, LocatorUpdate, Nonce, Packet, Record, build};

/// More operations add nothing but time.
const MAX_OPERATIONS: usize = 200;
/// Timeouts that a node may want at one instant.
const MAX_TIMEOUTS: usize = 1_000;
const LIMIT: usize = 8;

/// Runs a program. Panics when the node does something that it must not.
pub fn node(program: &[u8]) {
    let mut run = Run::new();
    let mut program = Program(program);
    for _ in 0..MAX_OPERATIONS {
        let Some(operation) = program.octet() else {
            break;
        };
        let input = run.input(operation, &mut program);
        run.node.handle(run.now, input);
        run.drain();
    }
    run.idle();
}

/// What is left of the octets.
struct Program<'a>(&'a [u8]);

impl<'a> Program<'a> {
    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next octet, or zero at the end.
    fn next(&mut self) -> u8 {
        self.octet().unwrap_or_default()
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.next(), self.next()])
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

struct Run {
    node: Node,
    now: Instant,
    /// What the node sent last: what others answer.
    sent: Option<Bytes>,
    answers: Vec<Input>,
}

impl Run {
    fn new() -> Self {
        let mut config = Config::new(host_nid(1));
        config.limits.correspondents = LIMIT;
        config.limits.tentative = LIMIT / 2;
        config.limits.tentative_per_locator = LIMIT / 4;
        config.limits.classic_flows = LIMIT;
        Self {
            node: Node::new(config, [7; 32]),
            now: Instant::ZERO + Duration::from_secs(60),
            sent: None,
            answers: Vec::new(),
        }
    }

    fn input(&mut self, operation: u8, program: &mut Program<'_>) -> Input {
        match operation % 8 {
            0 => self.time(program),
            1 => Input::Link(links(program)),
            2 => Input::Resolved(resolved(program)),
            3 => Input::Outbound(bent(outbound(program).emit(), program)),
            4 => Input::Inbound(bent(stranger(program), program)),
            5 => Input::Inbound(bent(self.answer(program), program)),
            6 => Input::Move(MoveOrder {
                locator: Some(site(program.next())),
                drop: vec![site(program.next())],
            }),
            _ => Input::Ping {
                handle: Handle::new(host_nid(u16::from(program.next() % 4))),
                identifier: program.word(),
                sequence: program.word(),
            },
        }
    }

    /// Time passes; what the data path was asked for is answered first.
    fn time(&mut self, program: &mut Program<'_>) -> Input {
        if let Some(answer) = self.answers.pop() {
            return answer;
        }
        self.now = self.now + Duration::from_millis(u64::from(program.word()));
        Input::Timeout
    }

    /// What a correspondent could say to what was sent last.
    fn answer(&self, program: &mut Program<'_>) -> Bytes {
        let sent = self.sent.clone().unwrap_or_default();
        let Ok(headers) = Headers::parse(&sent) else {
            return stranger(program);
        };
        let (from, to) = (headers.destination_vector(), headers.source_vector());
        let nonce = nonce(program.next());
        match program.next() % 5 {
            0 => answered(&sent, &headers, program).map_or(sent, |message| {
                translated(&message, from.locator, to.locator, nonce)
            }),
            1 => {
                let update = headers.upper_layer(&sent);
                let update = LocatorUpdate::parse(update).map(|update| update.acknowledgement());
                let message = update.map_or_else(
                    |_| advertisement(program).emit(from.address(), to.address()),
                    |update| update.emit(from.address(), to.address()),
                );
                build::icmpv6(from, to, &nonce, &message).octets
            }
            2 => {
                let message = advertisement(program).emit(from.address(), to.address());
                build::icmpv6(from, to, &nonce, &message).octets
            }
            3 => error(program, from.address(), to.address(), &sent).emit(),
            _ => build::gratuitous(from, to, &nonce).octets,
        }
    }

    /// Takes all outputs, and checks what is sent.
    fn drain(&mut self) {
        while let Some(update) = self.node.poll_datapath_update() {
            if let DatapathUpdate::ReadActivity(handle) = update
                && self.answers.len() < LIMIT
            {
                let activity = Some(Activity {
                    sent: self.now,
                    heard: self.now,
                });
                self.answers.push(Input::Activity { handle, activity });
            }
        }
        while let Some(packet) = self.node.poll_transmit() {
            let headers = Headers::parse(&packet.octets).expect("what is sent is well formed");
            let prefix = HandlePrefix::DEFAULT;
            assert_eq!(headers.source_vector().nid, host_nid(1));
            for address in [headers.source, headers.destination] {
                assert_eq!(prefix.handle(address), None, "a handle leaks");
            }
            assert!(headers.destination_vector().locator.is_usable());
            self.sent = Some(packet.octets);
        }
        while self.node.poll_deliver().is_some() {}
        while self.node.poll_event().is_some() {}
        assert!(self.node.correspondents(self.now).len() <= LIMIT);
    }

    /// Serves the timers until they lie in the future.
    fn idle(&mut self) {
        for _ in 0..MAX_TIMEOUTS {
            if self.node.poll_timeout().is_none_or(|due| due > self.now) {
                return;
            }
            self.node.handle(self.now, Input::Timeout);
            self.drain();
        }
        panic!("the node wants the same timeout again and again");
    }
}

fn site(number: u8) -> Locator {
    match number % 8 {
        0 => Locator::from_bits(0),
        1 => HandlePrefix::DEFAULT.locator(),
        number => site_locator(number.into()),
    }
}

fn nonce(number: u8) -> Nonce {
    let octets = [number; 12];
    let length = if number.is_multiple_of(2) { 12 } else { 4 };
    Nonce::from_slice(&octets[..length]).expect("4 or 12 octets")
}

fn links(program: &mut Program<'_>) -> LinkEvent {
    let (present, leaving) = (program.next(), program.next());
    let locators = (0..8).filter(|bit| present >> bit & 1 == 1);
    let locators = locators.map(|bit| LocalLocator {
        locator: site(bit),
        interface: u32::from(bit),
        router: None,
        health: if leaving >> bit & 1 == 1 {
            LocatorHealth::Leaving
        } else {
            LocatorHealth::Working
        },
        valid_until: None,
        mtu: 1500,
    });
    LinkEvent::Locators(locators.collect())
}

fn resolved(program: &mut Program<'_>) -> Resolved {
    let nid = host_nid(u16::from(program.next() % 16));
    let count = program.next() % 4;
    let locators = (0..count).map(|_| RemoteLocator {
        locator: site(program.next()),
        preference: Preference(program.next().into()),
        lifetime: Lifetime(program.next().into()),
    });
    Resolved {
        name: None,
        nid,
        locators: locators.collect(),
    }
}

fn handle_address(number: u8) -> Ipv6Addr {
    let handle = Handle {
        nid: host_nid(u16::from(number % 16)),
        alias: number >> 6,
    };
    HandlePrefix::DEFAULT.address(handle)
}

/// What a local program could send.
fn outbound(program: &mut Program<'_>) -> Message {
    let source = SocketAddrV6::new(handle_address(1), 4000, 0, 0);
    let destination = SocketAddrV6::new(handle_address(program.next()), 80, 0, 0);
    message(source, destination, program)
}

fn message(source: SocketAddrV6, destination: SocketAddrV6, program: &mut Program<'_>) -> Message {
    match program.next() % 5 {
        0 => Message::Tcp(Segment {
            source,
            destination,
            sequence: program.word().into(),
            acknowledgement: program.word().into(),
            flags: [SYN, SYN | ACK, ACK, RST][usize::from(program.next() % 4)],
            payload: Bytes::copy_from_slice(program.take(8)),
        }),
        1 => Message::Udp(Datagram {
            source,
            destination,
            payload: Bytes::copy_from_slice(program.take(8)),
        }),
        2 => Message::Icmp(Icmp {
            source: *source.ip(),
            destination: *destination.ip(),
            kind: 128 + program.next() % 2,
            code: 0,
            body: Bytes::copy_from_slice(program.take(8)),
        }),
        3 => {
            let quote = Message::Udp(Datagram {
                source: destination,
                destination: source,
                payload: Bytes::copy_from_slice(program.take(8)),
            });
            error(program, *source.ip(), *destination.ip(), &quote.emit())
        }
        _ => Message::Icmp(Icmp {
            source: *source.ip(),
            destination: *destination.ip(),
            kind: program.next(),
            code: program.next(),
            body: Bytes::copy_from_slice(program.take(64)),
        }),
    }
}

fn error(program: &mut Program<'_>, from: Ipv6Addr, to: Ipv6Addr, about: &[u8]) -> Message {
    let kind = 1 + program.next() % 4;
    let mut body = u32::from(program.word()).to_be_bytes().to_vec();
    body.extend_from_slice(about);
    Message::Icmp(Icmp {
        source: from,
        destination: to,
        kind,
        code: program.next() % 8,
        body: body.into(),
    })
}

/// A packet of a node that may be known or not.
fn stranger(program: &mut Program<'_>) -> Bytes {
    let from = IlVector::new(
        host_nid(u16::from(program.next() % 16)),
        site(program.next()),
    );
    let to = IlVector::new(host_nid(1), site(program.next()));
    let nonce = nonce(program.next());
    if program.next().is_multiple_of(4) {
        let message = advertisement(program).emit(from.address(), to.address());
        return build::icmpv6(from, to, &nonce, &message).octets;
    }
    let handle = |vector: IlVector| HandlePrefix::DEFAULT.address(Handle::new(vector.nid));
    let source = SocketAddrV6::new(handle(from), 80, 0, 0);
    let destination = SocketAddrV6::new(handle(to), 4000, 0, 0);
    let message = message(source, destination, program);
    translated(&message, from.locator, to.locator, nonce)
}

/// What the other end's kernel answers to a packet.
fn answered(sent: &Bytes, headers: &Headers, program: &mut Program<'_>) -> Option<Message> {
    let upper = headers.upper_layer(sent);
    let plain = packet(headers.source, headers.destination, headers.protocol, upper);
    let handle =
        |address: Ipv6Addr| HandlePrefix::DEFAULT.address(Handle::new(IlVector::from(address).nid));
    let back = |port: SocketAddrV6| SocketAddrV6::new(handle(*port.ip()), port.port(), 0, 0);
    match Message::parse(&plain) {
        Ok(Message::Icmp(icmp)) => Some(Message::Icmp(Icmp {
            source: handle(icmp.destination),
            destination: handle(icmp.source),
            kind: 129,
            ..icmp
        })),
        // The checksum is ILNP's, which the parser does not know; the ports stand first.
        _ => {
            let [a, b, c, d, ..] = *upper else {
                return None;
            };
            let source = back(SocketAddrV6::new(
                headers.destination,
                u16::from_be_bytes([c, d]),
                0,
                0,
            ));
            let destination = back(SocketAddrV6::new(
                headers.source,
                u16::from_be_bytes([a, b]),
                0,
                0,
            ));
            let sequence = upper.get(4..8).and_then(|s| s.try_into().ok());
            let sequence = sequence.map_or(0, u32::from_be_bytes);
            Some(match headers.protocol {
                6 => Message::Tcp(Segment {
                    source,
                    destination,
                    sequence: 0,
                    acknowledgement: sequence.wrapping_add(program.next().into()),
                    flags: SYN | ACK,
                    payload: Bytes::new(),
                }),
                _ => Message::Udp(Datagram {
                    source,
                    destination,
                    payload: Bytes::new(),
                }),
            })
        }
    }
}

fn advertisement(program: &mut Program<'_>) -> LocatorUpdate {
    let count = program.next() % 16 + 1;
    let records = (0..count).map(|_| Record {
        locator: site(program.next()),
        preference: Preference(program.next().into()),
        lifetime: Lifetime(program.next().into()),
    });
    LocatorUpdate::advertisement(records.collect()).expect("1 to 16 Locators")
}

fn translated(message: &Message, source: Locator, destination: Locator, nonce: Nonce) -> Bytes {
    let way = Outward {
        source,
        destination,
        nonce,
    };
    let plain = message.emit();
    outward(&Packet::new(plain.clone()), &way).map_or(plain, |packet| packet.octets)
}

/// The packet with a few octets changed, or cut short.
fn bent(octets: Bytes, program: &mut Program<'_>) -> Packet {
    let mut octets = octets.to_vec();
    for _ in 0..program.next().saturating_sub(200) % 8 {
        let place = usize::from(program.word());
        let value = program.next();
        let length = octets.len().max(1);
        if let Some(octet) = octets.get_mut(place % length) {
            *octet ^= value;
        }
    }
    let cut = program.next();
    if cut > 240 {
        octets.truncate(octets.len().saturating_sub(usize::from(cut - 240) * 8));
    }
    Packet::new(octets)
}
