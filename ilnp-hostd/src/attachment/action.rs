//! What a [`Detector`](super::Detector) asks for.

use std::net::Ipv6Addr;

use ilnp_core::id::Locator;

use super::Piece;
use crate::kernel::discovery::Sender;
use crate::kernel::{Address, ChangedLifetime};

/// Something to be done in the kernel or on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Get an interface ready to bear Locators: optimistic duplicate detection, and the address
    /// token.
    Prepare {
        /// Its index.
        interface: u32,
        /// Its name.
        name: String,
        /// Whether the token is to be set. It is not when it is there already, because setting it
        /// anew removes the addresses that it made, nor when the kernel forms addresses from our
        /// identifier without it.
        set_token: bool,
    },
    /// Send a Router Solicitation.
    Solicit(Sender),
    /// Ask a router whether it is there.
    Probe {
        /// From where.
        from: Sender,
        /// Which router.
        router: Ipv6Addr,
    },
    /// Remove the default route that a router advertised.
    RemoveDefaultRoute {
        /// The interface.
        interface: u32,
        /// The router.
        router: Ipv6Addr,
    },
    /// Forget the MAC address of a router.
    RemoveNeighbour {
        /// The interface.
        interface: u32,
        /// The router.
        router: Ipv6Addr,
    },
    /// Remove the route by which a prefix that is elsewhere now seems to be on the link.
    RemoveOnLinkRoute {
        /// The interface.
        interface: u32,
        /// The prefix.
        prefix: Locator,
    },
    /// Tell the kernel the MAC address of a neighbour.
    SetNeighbour {
        /// The interface.
        interface: u32,
        /// The neighbour.
        address: Ipv6Addr,
        /// Its MAC address.
        mac: [u8; 6],
    },
    /// Put something in place for a planned move.
    Install {
        /// The interface.
        interface: u32,
        /// The name of the interface.
        name: String,
        /// What.
        piece: Piece,
    },
    /// Remove it again.
    Uninstall {
        /// The interface.
        interface: u32,
        /// The name of the interface.
        name: String,
        /// What.
        piece: Piece,
    },
    /// Leave it to the kernel from now on.
    Keep {
        /// The name of the interface.
        name: String,
        /// What.
        piece: Piece,
    },
    /// Change the lifetimes of an address.
    ChangeLifetime {
        /// The address as it is.
        address: Address,
        /// Its new lifetimes.
        lifetime: ChangedLifetime,
    },
}
