//! TCP segments without payload, between handles.

use bytes::Bytes;
use ilnp_core::id::{Handle, HandlePrefix, Nid};
use ilnp_core::wire::Packet;
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::MutableIpv6Packet;
use pnet_packet::tcp::{self, MutableTcpPacket};

const IPV6_HEADER: usize = 40;
const TCP_HEADER: u16 = 20;

/// What a segment says.
pub(super) struct Segment {
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) flags: u8,
}

impl Segment {
    /// The IPv6 packet with this segment. Its checksum holds over handles, and so after translation.
    pub(super) fn packet(&self, source: Nid, destination: Nid) -> Option<Packet> {
        let source = HandlePrefix::DEFAULT.address(Handle::new(source));
        let destination = HandlePrefix::DEFAULT.address(Handle::new(destination));
        let mut octets = vec![0; IPV6_HEADER + usize::from(TCP_HEADER)];
        let mut ipv6 = MutableIpv6Packet::new(&mut octets)?;
        ipv6.set_version(6);
        ipv6.set_payload_length(TCP_HEADER);
        ipv6.set_next_header(IpNextHeaderProtocols::Tcp);
        ipv6.set_hop_limit(64);
        ipv6.set_source(source);
        ipv6.set_destination(destination);
        let mut segment = MutableTcpPacket::new(octets.get_mut(IPV6_HEADER..)?)?;
        segment.set_source(self.source_port);
        segment.set_destination(self.destination_port);
        segment.set_sequence(self.sequence);
        segment.set_acknowledgement(self.acknowledgement);
        segment.set_data_offset(5);
        segment.set_flags(self.flags);
        segment.set_window(u16::MAX);
        let checksum = tcp::ipv6_checksum(&segment.to_immutable(), &source, &destination);
        segment.set_checksum(checksum);
        Some(Packet::new(Bytes::from(octets)))
    }
}
