//! The checksum rules.
//!
//! * TCP, UDP and every other protocol with a pseudo-header but ICMPv6: the Locators count as zero
//!   (RFC 6744 §3). [`transport`] is the only place that knows this rule.
//! * ICMPv6: the whole addresses count, as in classic IPv6 (RFC 6741 §4.3, RFC 6743 §2). A message
//!   whose checksum leaves the Locators out is wrong.

use core::net::Ipv6Addr;

use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::util::ipv6_checksum;

use super::{Headers, Offload, Packet, protocol};
use crate::id::{IlVector, Locator, Nid};

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: the field holds the pseudo-header's sum alone, not complemented.
pub(super) const NEEDS_CHECKSUM: u8 = 1;

/// Where the checksum stands in the header of a protocol that has a pseudo-header.
pub const fn field_offset(protocol: u8) -> Option<usize> {
    match protocol {
        protocol::TCP => Some(16),
        protocol::UDP | protocol::UDP_LITE | protocol::DCCP => Some(6),
        protocol::ICMPV6 => Some(2),
        _ => None,
    }
}

/// The checksum of an ICMPv6 message, whatever its checksum field holds.
pub fn icmpv6(message: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> u16 {
    sum(protocol::ICMPV6, message, source, destination)
}

/// Whether the checksum of an ICMPv6 message is right.
pub fn is_valid_icmpv6(message: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> bool {
    let carried = message.get(2..).and_then(<[u8]>::first_chunk);
    carried.map(|field| u16::from_be_bytes(*field)) == Some(icmpv6(message, source, destination))
}

/// Whether the checksum of the ICMPv6 message in a packet is right, or is still to be finished by
/// the kernel of this very host. Meaningless for fragments.
pub fn is_valid_icmpv6_packet(packet: &Packet, headers: &Headers) -> bool {
    is_partial(packet.offload, headers.upper + 2)
        || is_valid_icmpv6(
            headers.upper_layer(&packet.octets),
            headers.source,
            headers.destination,
        )
}

/// The ILNP checksum of a TCP segment or UDP datagram, whatever its checksum field holds
/// (RFC 6744 §3): the pseudo-header has the identifiers, and zeros in place of the Locators.
pub fn transport(protocol: u8, octets: &[u8], source: Nid, destination: Nid) -> u16 {
    let nowhere = |nid| IlVector::new(nid, Locator::from_bits(0)).address();
    sum(protocol, octets, nowhere(source), nowhere(destination))
}

/// Whether the ILNP checksum of a TCP segment or UDP datagram is right.
pub fn is_valid_transport(protocol: u8, octets: &[u8], source: Nid, destination: Nid) -> bool {
    let carried = field_offset(protocol)
        .and_then(|at| octets.get(at..))
        .and_then(<[u8]>::first_chunk);
    carried.map(|field| u16::from_be_bytes(*field))
        == Some(transport(protocol, octets, source, destination))
}

/// The checksum of RFC 8200 §8.1.
fn sum(protocol: u8, octets: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> u16 {
    // A word past the end leaves nothing out.
    let skipped = field_offset(protocol).map_or(usize::MAX, |at| at / 2);
    let number = IpNextHeaderProtocol(protocol);
    match ipv6_checksum(octets, skipped, &[], &source, &destination, number) {
        0 if protocol == protocol::UDP => 0xffff,
        checksum => checksum,
    }
}

/// The checksum after some of the 16-bit words that it covers changed (RFC 1624 equation 3).
///
/// `old` and `new` have the same even number of octets. The sum that is complemented in the end is
/// never zero, so the result is never 0xffff.
pub fn update(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    let words = |octets: &[u8]| -> u64 {
        let (words, _) = octets.as_chunks::<2>();
        words
            .iter()
            .map(|word| u64::from(u16::from_be_bytes(*word)))
            .sum()
    };
    let complement = (old.len() as u64 / 2) * 0xffff - words(old);
    let mut sum = u64::from(!checksum) + complement + words(new);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// Whether the checksum at this offset of the packet is left for the kernel to finish.
pub(super) fn is_partial(offload: Option<Offload>, field: usize) -> bool {
    offload.is_some_and(|offload| {
        offload.flags & NEEDS_CHECKSUM != 0
            && usize::from(offload.checksum_start) + usize::from(offload.checksum_offset) == field
    })
}
