//! What is put in place before a host is moved.

use std::net::Ipv6Addr;
use std::time::Duration;

use ilnp_core::id::{IlVector, Locator};

/// What this host will find where its hypervisor moves it to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The prefixes of the link, best first.
    pub locators: Vec<Locator>,
    /// The link-local address of the router.
    pub router: Ipv6Addr,
    /// The router's MAC address, where it is known.
    pub router_mac: Option<[u8; 6]>,
}

/// Something that is in the kernel because of a [`Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// An address of ours. Deprecated, so that nothing is sent from it, and not checked for
    /// duplicates: it is not on its link yet.
    Address(Ipv6Addr),
    /// A default route that counts when there is no other.
    DefaultRoute(Ipv6Addr),
}

impl Plan {
    /// Whether this is a part of it.
    pub(super) fn has(&self, piece: Piece) -> bool {
        match piece {
            Piece::Address(_) => piece.prefix().is_some_and(|it| self.locators.contains(&it)),
            Piece::DefaultRoute(router) => !self.locators.is_empty() && self.router == router,
        }
    }
}

impl Piece {
    /// The prefix of an address.
    pub(super) fn prefix(self) -> Option<Locator> {
        match self {
            Self::Address(address) => Some(IlVector::from(address).locator),
            Self::DefaultRoute(_) => None,
        }
    }

    /// For how long an address is good that no router has advertised. Longer than any plan, and than
    /// it takes a router to say something else.
    pub const VALID: Duration = Duration::from_secs(24 * 3600);
}
