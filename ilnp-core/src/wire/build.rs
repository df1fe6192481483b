//! Whole packets of this host's own.
//!
//! They look like all that leaves a host of ours: `IPv6 | Destination Options (Nonce) | rest`.

use core::net::Ipv6Addr;

use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv6::{Ipv6Packet, MutableIpv6Packet};

use super::headers::IPV6_HEADER;
use super::icmpv6 as message;
use super::{Nonce, Packet, options, protocol};
use crate::drop_reason::DropReason;
use crate::id::IlVector;

/// Hops that a packet may take: what Linux gives its own packets.
const HOP_LIMIT: u8 = 64;

/// A packet with an ICMPv6 message, whose checksum is in place already. At most 65519 octets of the
/// message are sent.
pub fn icmpv6(source: IlVector, destination: IlVector, nonce: &Nonce, message: &[u8]) -> Packet {
    packet(source, destination, nonce, protocol::ICMPV6, message)
}

/// A packet that says nothing but the Nonce (RFC 6741 §13.1): the correspondent of a receiver that
/// has nothing to send learns from it which Nonce a later Locator Update will carry.
pub fn gratuitous(source: IlVector, destination: IlVector, nonce: &Nonce) -> Packet {
    packet(source, destination, nonce, protocol::NO_NEXT_HEADER, &[])
}

/// What a host is told whose packet goes nowhere: Destination Unreachable with this code (RFC 4443
/// §3.1), as if it came from the destination.
///
/// # Errors
/// [`DropReason::Malformed`] when the packet has no IPv6 header.
pub fn unreachable(about: &Packet, code: u8) -> Result<Packet, DropReason> {
    let header = Ipv6Packet::new(&about.octets).ok_or(DropReason::Malformed)?;
    let (source, destination) = (header.get_destination(), header.get_source());
    Ok(told(source, destination, code, about))
}

/// What a host tells itself of a TCP connection that it has no route for: Destination Unreachable
/// (RFC 4443 §3.1) that quotes ports and sequence number 0.
pub fn no_route(local: (Ipv6Addr, u16), remote: (Ipv6Addr, u16)) -> Packet {
    const NO_ROUTE: u8 = 0;
    let ports = [local.1, remote.1].map(u16::to_be_bytes);
    let about = whole(
        local.0,
        remote.0,
        protocol::TCP,
        &[ports.as_flattened(), &[0; 4]],
    );
    told(local.0, local.0, NO_ROUTE, &about)
}

/// Destination Unreachable from here to there.
fn told(source: Ipv6Addr, destination: Ipv6Addr, code: u8, about: &Packet) -> Packet {
    let room = message::MAX_ERROR_PACKET - IPV6_HEADER - message::HEADER;
    let quote = about.octets.get(..room).unwrap_or(&about.octets);
    let mut error = vec![message::DESTINATION_UNREACHABLE, code, 0, 0, 0, 0, 0, 0];
    error.extend_from_slice(quote);
    let error = message::with_checksum(error, source, destination);
    whole(source, destination, protocol::ICMPV6, &[&error])
}

fn packet(
    source: IlVector,
    destination: IlVector,
    nonce: &Nonce,
    upper: u8,
    payload: &[u8],
) -> Packet {
    let header = options::nonce_header(upper, nonce);
    let room = usize::from(u16::MAX) - header.len();
    let payload = payload.get(..room).unwrap_or(payload);
    whole(
        source.address(),
        destination.address(),
        protocol::DESTINATION_OPTIONS,
        &[&header, payload],
    )
}

fn whole(source: Ipv6Addr, destination: Ipv6Addr, next: u8, payload: &[&[u8]]) -> Packet {
    let length = payload.iter().map(|part| part.len()).sum::<usize>();
    let mut octets = vec![0; IPV6_HEADER];
    if let Some(mut ipv6) = MutableIpv6Packet::new(&mut octets) {
        ipv6.set_version(6);
        ipv6.set_payload_length(u16::try_from(length).unwrap_or(u16::MAX));
        ipv6.set_next_header(IpNextHeaderProtocol(next));
        ipv6.set_hop_limit(HOP_LIMIT);
        ipv6.set_source(source);
        ipv6.set_destination(destination);
    }
    for part in payload {
        octets.extend_from_slice(part);
    }
    Packet::new(octets)
}
