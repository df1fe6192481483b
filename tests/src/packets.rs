//! Packets made by hand, right and wrong ones.

use std::net::Ipv6Addr;

use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv6::MutableIpv6Packet;
use pnet_packet::tcp::{self, MutableTcpPacket};
use pnet_packet::udp::{self, MutableUdpPacket};

const IPV6_HEADER: usize = 40;
const UDP_HEADER: usize = 8;
const TCP_HEADER: usize = 20;
/// The option that carries a Nonce (RFC 6744 §2).
const NONCE_OPTION: u8 = 0x8b;

/// An IPv6 packet.
///
/// # Panics
/// When the payload is longer than 65535 octets.
pub fn ipv6(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![0; IPV6_HEADER];
    let mut header = MutableIpv6Packet::new(&mut octets).expect("room for the header");
    header.set_version(6);
    header.set_payload_length(u16::try_from(payload.len()).expect("a payload that fits"));
    header.set_next_header(IpNextHeaderProtocol(protocol));
    header.set_hop_limit(64);
    header.set_source(source);
    header.set_destination(destination);
    octets.extend_from_slice(payload);
    octets
}

/// A UDP datagram whose checksum is computed over these two addresses: over handles for ILNP.
///
/// # Panics
/// When the payload is longer than 65527 octets.
pub fn udp(source: Ipv6Addr, destination: Ipv6Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![0; UDP_HEADER];
    octets.extend_from_slice(payload);
    let length = u16::try_from(octets.len()).expect("a payload that fits");
    let mut datagram = MutableUdpPacket::new(&mut octets).expect("room for the header");
    datagram.set_source(ports.0);
    datagram.set_destination(ports.1);
    datagram.set_length(length);
    let checksum = udp::ipv6_checksum(&datagram.to_immutable(), &source, &destination);
    datagram.set_checksum(checksum);
    octets
}

/// What a TCP segment without payload says.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Source and destination port.
    pub ports: (u16, u16),
    /// The sequence number.
    pub sequence: u32,
    /// The acknowledgement number.
    pub acknowledgement: u32,
    /// The flags: see [`tcp_flags`](ilnp_core::wire::transport::tcp_flags).
    pub flags: u8,
}

/// A TCP segment whose checksum is computed over these two addresses: over handles for ILNP.
///
/// # Panics
/// Never: a header fits into the room for a header.
pub fn tcp(source: Ipv6Addr, destination: Ipv6Addr, says: &Segment) -> Vec<u8> {
    let mut octets = vec![0; TCP_HEADER];
    let mut segment = MutableTcpPacket::new(&mut octets).expect("room for the header");
    segment.set_source(says.ports.0);
    segment.set_destination(says.ports.1);
    segment.set_sequence(says.sequence);
    segment.set_acknowledgement(says.acknowledgement);
    segment.set_data_offset(5);
    segment.set_flags(says.flags);
    segment.set_window(u16::MAX);
    let checksum = tcp::ipv6_checksum(&segment.to_immutable(), &source, &destination);
    segment.set_checksum(checksum);
    octets
}

/// A Destination Options header with these Nonces, padded, in front of `rest`.
///
/// # Panics
/// When the Nonces do not fit into one header.
pub fn nonces(nonces: &[&[u8]], next_header: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = vec![next_header, 0];
    for nonce in nonces {
        header.extend([NONCE_OPTION, octet(nonce.len())]);
        header.extend_from_slice(nonce);
    }
    match header.len().next_multiple_of(8) - header.len() {
        0 => {}
        1 => header.push(0),
        padding => {
            header.extend([1, octet(padding - 2)]);
            header.resize(header.len().next_multiple_of(8), 0);
        }
    }
    header[1] = octet(header.len() / 8 - 1);
    header.extend_from_slice(rest);
    header
}

fn octet(value: usize) -> u8 {
    u8::try_from(value).expect("a length that fits an octet")
}

#[cfg(test)]
mod tests {
    use super::nonces;

    #[test]
    fn headers_are_padded_to_eight_octets() {
        assert_eq!(
            nonces(&[&[1, 2, 3, 4]], 58, &[]),
            [58, 0, 0x8b, 4, 1, 2, 3, 4]
        );
        assert_eq!(
            nonces(&[&[9; 8]], 17, &[7]),
            [17, 1, 0x8b, 8, 9, 9, 9, 9, 9, 9, 9, 9, 1, 2, 0, 0, 7]
        );
        assert_eq!(nonces(&[&[1; 4], &[2; 4]], 59, &[]).len(), 16);
    }
}
