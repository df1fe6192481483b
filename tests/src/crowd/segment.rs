//! TCP segments without payload, between handles.

use std::net::Ipv6Addr;

use ilnp_core::wire::{Packet, protocol};
use pnet_packet::tcp::{self, MutableTcpPacket};

use crate::packets;

const TCP_HEADER: usize = 20;

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
    pub(super) fn packet(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Option<Packet> {
        let mut octets = [0; TCP_HEADER];
        let mut segment = MutableTcpPacket::new(&mut octets)?;
        segment.set_source(self.source_port);
        segment.set_destination(self.destination_port);
        segment.set_sequence(self.sequence);
        segment.set_acknowledgement(self.acknowledgement);
        segment.set_data_offset(5);
        segment.set_flags(self.flags);
        segment.set_window(u16::MAX);
        let checksum = tcp::ipv6_checksum(&segment.to_immutable(), &source, &destination);
        segment.set_checksum(checksum);
        let packet = packets::ipv6(source, destination, protocol::TCP, &octets);
        Some(Packet::new(packet))
    }
}
