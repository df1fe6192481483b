//! What the fuzzer's operations are made of: Locators, names, and packets that others could send.

use std::net::{Ipv6Addr, SocketAddrV6};

use bytes::Bytes;
use pnet_packet::tcp::TcpFlags::{ACK, RST, SYN};

use super::Program;
use crate::id::{Handle, HandlePrefix, IlVector, Lifetime, Locator, Preference};
use crate::node::{LinkEvent, LocalLocator, LocatorHealth, RemoteLocator, Resolved};
use crate::sim::stack::{Datagram, Icmp, Message, Segment, packet};
use crate::sim::{host_nid, site_locator};
use crate::wire::translate::{Outward, outward};
use crate::wire::{Headers, LocatorUpdate, Nonce, Packet, Record, build};
/// One of eight Locators; two of them are of no use.
pub(super) fn site(number: u8) -> Locator {
    match number % 8 {
        0 => Locator::from_bits(0),
        1 => HandlePrefix::DEFAULT.locator(),
        number => site_locator(number.into()),
    }
}

/// Nonces of both lengths.
pub(super) fn nonce(number: u8) -> Nonce {
    let octets = [number; 12];
    let length = if number.is_multiple_of(2) { 12 } else { 4 };
    Nonce::from_slice(&octets[..length]).expect("4 or 12 octets")
}

/// Any of the Locators, some of them leaving.
pub(super) fn links(program: &mut Program<'_>) -> LinkEvent {
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

/// A name of one of sixteen nodes.
pub(super) fn resolved(program: &mut Program<'_>) -> Resolved {
    let nid = host_nid(u16::from(program.next() % 16));
    let count = program.next() % 4;
    let locators = (0..count).map(|_| RemoteLocator {
        locator: site(program.next()),
        preference: Preference(program.next().into()),
        lifetime: Lifetime(program.next().into()),
    });
    let locators = locators.collect();
    let name = match program.next() % 4 {
        0 => None,
        n => Some(format!("n{n}.example")),
    };
    Resolved {
        name,
        configured: program.next().is_multiple_of(8),
        nid,
        locators,
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
pub(super) fn outbound(program: &mut Program<'_>) -> Message {
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

/// An ICMPv6 error about a packet.
pub(super) fn error(
    program: &mut Program<'_>,
    from: Ipv6Addr,
    to: Ipv6Addr,
    about: &[u8],
) -> Message {
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
pub(super) fn stranger(program: &mut Program<'_>) -> Bytes {
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
pub(super) fn answered(
    sent: &Bytes,
    headers: &Headers,
    program: &mut Program<'_>,
) -> Option<Message> {
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

/// A Locator Update of one to sixteen Locators.
pub(super) fn advertisement(program: &mut Program<'_>) -> LocatorUpdate {
    let count = program.next() % 16 + 1;
    let records = (0..count).map(|_| Record {
        locator: site(program.next()),
        preference: Preference(program.next().into()),
        lifetime: Lifetime(program.next().into()),
    });
    LocatorUpdate::advertisement(records.collect()).expect("1 to 16 Locators")
}

/// A message between handles as it goes over the wire.
pub(super) fn translated(
    message: &Message,
    source: Locator,
    destination: Locator,
    nonce: Nonce,
) -> Bytes {
    let way = Outward {
        source,
        destination,
        nonce,
    };
    let plain = message.emit();
    outward(&Packet::new(plain.clone()), &way).map_or(plain, |packet| packet.octets)
}

/// The packet with a few octets changed, or cut short.
pub(super) fn bent(octets: Bytes, program: &mut Program<'_>) -> Packet {
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
