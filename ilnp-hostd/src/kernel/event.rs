//! What the kernel tells of links, addresses and neighbours, in this daemon's own terms.

use std::net::Ipv6Addr;
use std::time::Duration;

use ilnp_core::id::{IlVector, Nid};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope,
};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, LinkAttribute, LinkEvent, LinkFlags, LinkLayerType, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// A change of the kernel's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelEvent {
    /// The whole state: sent first, and again whenever events were lost.
    Snapshot(Snapshot),
    /// An interface is new or changed.
    Link {
        /// The interface as it is now.
        link: Link,
        /// The kernel just announced its addresses to its neighbours (`IFLA_EVENT_NOTIFY_PEERS`), as
        /// a guest does when its hypervisor tells it that it has been moved, or a bond took another
        /// port.
        peers_notified: bool,
    },
    /// An interface is gone.
    LinkGone {
        /// Its index.
        interface: u32,
    },
    /// An IPv6 address is new or changed.
    Address(Address),
    /// An IPv6 address is gone; its flags tell why.
    AddressGone(Address),
    /// The kernel got no answer from a neighbour that it was sending to.
    NeighbourFailed {
        /// The interface.
        interface: u32,
        /// The neighbour.
        address: Ipv6Addr,
    },
}

/// The kernel's state at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All interfaces.
    pub links: Vec<Link>,
    /// All IPv6 addresses.
    pub addresses: Vec<Address>,
    /// Interface and gateway of each default route in the main table.
    pub default_routes: Vec<(u32, Ipv6Addr)>,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is like Ethernet: not a loopback, not point-to-point, does neighbour discovery,
    /// and is no port of a bridge, bond or the like.
    pub ethernet: bool,
    /// Whether it is up as far as the administrator is concerned.
    pub up: bool,
    /// Whether it is up and has a carrier.
    pub carrier: bool,
    /// How often its carrier came back, where the kernel tells it: a flap that no event showed.
    pub carrier_ups: Option<u32>,
    /// Its MTU in octets.
    pub mtu: u32,
    /// Its MAC address.
    pub mac: Option<[u8; 6]>,
    /// The low half of the addresses that the kernel forms, where one is set.
    pub token: Option<Nid>,
}

/// An IPv6 address of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface that has it.
    pub interface: u32,
    /// The address.
    pub address: Ipv6Addr,
    /// The length of its prefix.
    pub prefix_length: u8,
    /// Its scope is global.
    pub global: bool,
    /// Its uniqueness is being checked.
    pub tentative: bool,
    /// It may be used while its uniqueness is being checked (RFC 4429).
    pub optimistic: bool,
    /// Another node has it.
    pub duplicate: bool,
    /// Its preferred lifetime is over.
    pub deprecated: bool,
    /// It does not expire: it was configured.
    pub permanent: bool,
    /// The kernel formed it from a Router Advertisement.
    pub advertised: bool,
    /// It is a temporary address (RFC 8981).
    pub temporary: bool,
    /// Temporary addresses are made from it.
    pub makes_temporary: bool,
    /// For how long it is valid; `None` for ever.
    pub valid: Option<Duration>,
}

impl Address {
    /// Whether packets may be sent from it.
    pub const fn is_usable(&self) -> bool {
        !self.duplicate && (!self.tentative || self.optimistic)
    }
}

impl KernelEvent {
    /// The event that a notification tells of, if it concerns this daemon.
    pub(super) fn from_message(message: RouteNetlinkMessage) -> Option<Self> {
        match message {
            // A bridge reports its ports as links of its own family: they are not interfaces.
            RouteNetlinkMessage::NewLink(message)
                if message.header.interface_family == AddressFamily::Unspec =>
            {
                let announced = |event| message.attributes.contains(&LinkAttribute::Event(event));
                Some(Self::Link {
                    link: Link::from_message(&message)?,
                    peers_notified: announced(LinkEvent::NotifyPeers)
                        || announced(LinkEvent::BondingFailover),
                })
            }
            RouteNetlinkMessage::DelLink(message)
                if message.header.interface_family == AddressFamily::Unspec =>
            {
                Some(Self::LinkGone {
                    interface: message.header.index,
                })
            }
            RouteNetlinkMessage::NewAddress(message) => {
                Address::from_message(&message).map(Self::Address)
            }
            RouteNetlinkMessage::DelAddress(message) => {
                Address::from_message(&message).map(Self::AddressGone)
            }
            RouteNetlinkMessage::NewNeighbour(message) => failed_neighbour(&message),
            _ => None,
        }
    }
}

impl Link {
    /// The interface that a message describes; `None` when it says only a part, as those about
    /// wireless scans do.
    pub(super) fn from_message(message: &LinkMessage) -> Option<Self> {
        let flags = message.header.flags;
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            ethernet: message.header.link_layer_type == LinkLayerType::Ether
                && !flags
                    .intersects(LinkFlags::Loopback | LinkFlags::Pointopoint | LinkFlags::Noarp),
            up: flags.contains(LinkFlags::Up),
            carrier: flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
            carrier_ups: None,
            mtu: 0,
            mac: None,
            token: None,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Controller(_) => link.ethernet = false,
                LinkAttribute::CarrierUpCount(count) => link.carrier_ups = Some(*count),
                LinkAttribute::Address(octets) => link.mac = octets.as_slice().try_into().ok(),
                LinkAttribute::AfSpecUnspec(families) => link.token = token(families),
                _ => {}
            }
        }
        (link.mtu > 0).then_some(link)
    }
}

/// The address token in an interface's per-family attributes.
fn token(families: &[AfSpecUnspec]) -> Option<Nid> {
    families
        .iter()
        .filter_map(|family| match family {
            AfSpecUnspec::Inet6(attributes) => Some(attributes),
            _ => None,
        })
        .flatten()
        .find_map(|attribute| match attribute {
            AfSpecInet6::Token(token) if !token.is_unspecified() => {
                Some(IlVector::from(*token).nid)
            }
            _ => None,
        })
}

impl Address {
    /// The IPv6 address that a message describes.
    pub(super) fn from_message(message: &AddressMessage) -> Option<Self> {
        let mut address = None;
        let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
        let mut valid = None;
        let mut advertised = false;
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Address(std::net::IpAddr::V6(found)) => {
                    address = address.or(Some(*found));
                }
                // With a peer address, this is the host's own.
                AddressAttribute::Local(std::net::IpAddr::V6(found)) => address = Some(*found),
                AddressAttribute::Flags(found) => flags = *found,
                AddressAttribute::CacheInfo(cache) if cache.ifa_valid != u32::MAX => {
                    valid = Some(Duration::from_secs(cache.ifa_valid.into()));
                }
                AddressAttribute::Protocol(AddressProtocol::RouterAnnouncement) => {
                    advertised = true;
                }
                _ => {}
            }
        }
        Some(Self {
            interface: message.header.index,
            address: address?,
            prefix_length: message.header.prefix_len,
            global: message.header.scope == AddressScope::Universe,
            tentative: flags.contains(AddressFlags::Tentative),
            optimistic: flags.contains(AddressFlags::Optimistic),
            duplicate: flags.contains(AddressFlags::Dadfailed),
            deprecated: flags.contains(AddressFlags::Deprecated),
            permanent: flags.contains(AddressFlags::Permanent),
            advertised,
            // For IPv6 this bit means a temporary address.
            temporary: flags.contains(AddressFlags::Secondary),
            makes_temporary: flags.contains(AddressFlags::Managetempaddr),
            valid,
        })
    }
}

/// The interface and gateway of a default route of the main table.
pub(super) fn default_route(message: &RouteMessage) -> Option<(u32, Ipv6Addr)> {
    let header = &message.header;
    let default = header.destination_prefix_length == 0
        && header.table == RouteHeader::RT_TABLE_MAIN
        && header.kind == RouteType::Unicast;
    let interface = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        })?;
    let gateway = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Gateway(RouteAddress::Inet6(gateway)) => Some(*gateway),
            _ => None,
        })?;
    default.then_some((interface, gateway))
}

/// The event of a neighbour that does not answer.
fn failed_neighbour(message: &NeighbourMessage) -> Option<KernelEvent> {
    if message.header.state != NeighbourState::Failed {
        return None;
    }
    message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => {
                Some(KernelEvent::NeighbourFailed {
                    interface: message.header.ifindex,
                    address: *address,
                })
            }
            _ => None,
        })
}
