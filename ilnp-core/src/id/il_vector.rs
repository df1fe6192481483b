//! The Identifier-Locator Vector (RFC 6740 §3.3).

use core::fmt;
use core::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::{Locator, Nid};

/// A Node Identifier at a Locator: what an IPv6 address on the wire says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IlVector {
    /// Who.
    pub nid: Nid,
    /// Where.
    pub locator: Locator,
}

impl IlVector {
    /// The vector of this identifier at this Locator.
    pub const fn new(nid: Nid, locator: Locator) -> Self {
        Self { nid, locator }
    }

    /// The IPv6 address: the Locator in its high half, the identifier in its low half.
    pub fn address(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(u128::from(self.locator.bits()) << 64 | u128::from(self.nid.bits()))
    }
}

impl From<Ipv6Addr> for IlVector {
    fn from(address: Ipv6Addr) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = address.octets();
        Self {
            locator: Locator::from_octets([a, b, c, d, e, f, g, h]),
            nid: Nid::from_octets(rest),
        }
    }
}

impl fmt::Display for IlVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.address(), f)
    }
}

impl fmt::Debug for IlVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
