//! Whole packets of this host's own.
//!
//! They look like all that leaves a host of ours: `IPv6 | Destination Options (Nonce) | rest`.

use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv6::MutableIpv6Packet;

use super::headers::IPV6_HEADER;
use super::{Nonce, Packet, options, protocol};
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
    let length = u16::try_from(header.len() + payload.len()).unwrap_or(u16::MAX);
    let mut octets = vec![0; IPV6_HEADER];
    if let Some(mut ipv6) = MutableIpv6Packet::new(&mut octets) {
        ipv6.set_version(6);
        ipv6.set_payload_length(length);
        ipv6.set_next_header(IpNextHeaderProtocol(protocol::DESTINATION_OPTIONS));
        ipv6.set_hop_limit(HOP_LIMIT);
        ipv6.set_source(source.address());
        ipv6.set_destination(destination.address());
    }
    octets.extend_from_slice(&header);
    octets.extend_from_slice(payload);
    Packet::new(octets)
}
