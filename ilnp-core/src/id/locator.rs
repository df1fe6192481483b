//! The Locator (RFC 6740 §3.2, RFC 6741 §3.1).

use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

use super::{ParseIdError, serde_as_text};

/// A 64-bit Locator: the subnetwork that a node is attached to.
///
/// Written and read as an IPv6 /64 prefix, `2001:db8:a::/64`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locator(u64);

impl Locator {
    /// The Locator with these 64 bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The Locator as it stands in the high half of an IPv6 address.
    pub const fn from_octets(octets: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(octets))
    }

    /// The 64 bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The octets in network order.
    pub const fn octets(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// The first address of the prefix.
    pub fn prefix(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(u128::from(self.0) << 64)
    }

    /// Whether packets may be sent to this Locator at all.
    ///
    /// Unspecified, loopback, IPv4-mapped, link-local and multicast prefixes are refused: in a
    /// Locator Update they would redirect or reflect traffic.
    pub const fn is_usable(self) -> bool {
        let first = self.0 >> 48;
        let embedded = self.0 == 0;
        let link_local = first & 0xffc0 == 0xfe80;
        let multicast = first & 0xff00 == 0xff00;
        !embedded && !link_local && !multicast
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/64", self.prefix())
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Locator {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.strip_suffix("/64")
            .and_then(|prefix| prefix.parse::<Ipv6Addr>().ok())
            .map(Ipv6Addr::to_bits)
            .filter(|bits| bits & u128::from(u64::MAX) == 0)
            .and_then(|bits| u64::try_from(bits >> 64).ok())
            .map(Self)
            .ok_or_else(|| ParseIdError {
                found: text.chars().take(64).collect(),
                expected: "a Locator (an IPv6 /64 prefix, as 2001:db8:a::/64)",
            })
    }
}

serde_as_text!(Locator);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_a_prefix() {
        let locator: Locator = "2001:db8:a::/64".parse().unwrap();
        assert_eq!(locator.bits(), 0x2001_0db8_000a_0000);
        assert_eq!(locator.to_string(), "2001:db8:a::/64");
    }

    #[test]
    fn refuses_what_is_not_a_64_bit_prefix() {
        for text in [
            "",
            "2001:db8:a::",
            "2001:db8:a::/48",
            "2001:db8:a::1/64",
            "10.0.0.0/64",
            "x/64",
        ] {
            assert!(text.parse::<Locator>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn knows_which_prefixes_no_packet_may_be_sent_to() {
        for text in ["::/64", "fe80::/64", "febf:1::/64", "ff02::/64"] {
            assert!(!text.parse::<Locator>().unwrap().is_usable(), "{text}");
        }
        for text in ["2001:db8::/64", "fd00:1::/64", "fec0::/64"] {
            assert!(text.parse::<Locator>().unwrap().is_usable(), "{text}");
        }
    }
}
