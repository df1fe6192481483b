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
    /// Where packets go that leave for the planned place before the daemon knows that it is there.
    ///
    /// Routers of two sites often have one link-local address (`fe80::1`), of which the kernel knows
    /// one MAC address, and that is the old router's until then. So a router whose MAC address is
    /// known is sent to by the link-local address that is made of it (RFC 4291 Appendix A).
    pub(super) fn next_hop(&self) -> Ipv6Addr {
        self.router_mac.map_or(self.router, |[a, b, c, d, e, f]| {
            Ipv6Addr::from([
                0xfe,
                0x80,
                0,
                0,
                0,
                0,
                0,
                0,
                a ^ 2,
                b,
                c,
                0xff,
                0xfe,
                d,
                e,
                f,
            ])
        })
    }

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
