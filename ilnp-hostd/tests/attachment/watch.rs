//! How soon a host solicits routers after its hypervisor announced that it was moved.
#![expect(
    clippy::cast_possible_truncation,
    reason = "the constants of Ethernet are of another type than its fields"
)]

use std::io::Read as _;
use std::time::{Duration, Instant};

use netlink_packet_core::NetlinkMessage;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkEvent, LinkFlags, LinkLayerType, LinkMessage};
use socket2::{Domain, Socket, Type};

use super::PATIENCE;

/// `RTMGRP_LINK` of `linux/rtnetlink.h`.
const LINK_EVENTS: u32 = 1;

/// Watches for Router Solicitations, and plays the kernel that announces a migration.
pub(super) struct Watch {
    interface: u32,
    packets: Socket,
    netlink: netlink_sys::Socket,
    started: std::cell::Cell<Instant>,
}

impl Watch {
    /// Opens its sockets in the network namespace of the calling thread.
    pub(super) fn open(interface: u32) -> Self {
        let all = (libc::ETH_P_ALL as u16).to_be();
        let packets =
            Socket::new(Domain::PACKET, Type::DGRAM, Some(i32::from(all).into())).unwrap();
        packets.set_read_timeout(Some(PATIENCE)).unwrap();
        let netlink = netlink_sys::Socket::new(netlink_sys::protocols::NETLINK_ROUTE).unwrap();
        Self {
            interface,
            packets,
            netlink,
            started: Instant::now().into(),
        }
    }

    /// Sends what a guest's kernel sends to the group of link events when its hypervisor tells it that
    /// it was moved: `RTM_NEWLINK` with `IFLA_EVENT_NOTIFY_PEERS`. Without a virtio device, a bond or a
    /// team, no kernel does this by itself; the group takes it from root too.
    pub(super) fn announce(&self) {
        let mut message = LinkMessage::default();
        message.header.index = self.interface;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.header.flags = LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running;
        message.attributes = vec![
            LinkAttribute::IfName("eth0".into()),
            LinkAttribute::Mtu(1500),
            LinkAttribute::Event(LinkEvent::NotifyPeers),
        ];
        let mut message = NetlinkMessage::from(RouteNetlinkMessage::NewLink(message));
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        self.started.set(Instant::now());
        let group = netlink_sys::SocketAddr::new(0, LINK_EVENTS);
        self.netlink.send_to(&octets, &group, 0).unwrap();
    }

    /// How long after the announcement the solicitation left.
    pub(super) fn delay(mut self) -> Duration {
        let mut packet = [0; 2048];
        loop {
            let length = self.packets.read(&mut packet).unwrap();
            // ICMPv6 behind an IPv6 header, type 133.
            if matches!(packet[..length], [version, _, _, _, _, _, 58, ..] if version >> 4 == 6)
                && packet[40] == 133
            {
                return self.started.get().elapsed();
            }
        }
    }
}
