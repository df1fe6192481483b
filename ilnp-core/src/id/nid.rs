//! The Node Identifier (RFC 6740 §3.1, RFC 6741 §2).

use core::fmt;
use core::str::FromStr;

use super::{Groups, ParseIdError, serde_as_text};

/// A 64-bit Node Identifier: who a node is, wherever it is.
///
/// Written as four groups of four lower-case hex digits, `0214:4fff:fe20:ee64`; one to four digits
/// in either case are read, `::` is not (RFC 6742 §2.1.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nid(u64);

impl Nid {
    /// The universal/local bit: set in an identifier made from a global EUI-64.
    const UNIVERSAL: u64 = 0x0200_0000_0000_0000;
    /// The individual/group bit: clear in every node's own identifier (RFC 6740 §3.1.2; RFC 6741
    /// §2.1 has the polarity the wrong way round).
    const GROUP: u64 = 0x0100_0000_0000_0000;

    /// The identifier with these 64 bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The identifier as it stands in the low half of an IPv6 address.
    pub const fn from_octets(octets: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(octets))
    }

    /// A local-scope identifier made of random bits: the universal and group bits are cleared.
    pub const fn from_random(bits: u64) -> Self {
        Self(bits & !Self::UNIVERSAL & !Self::GROUP)
    }

    /// The Modified EUI-64 of a MAC address (RFC 4291 appendix A, RFC 6741 §2.2).
    pub const fn from_mac(mac: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = mac;
        Self::from_octets([a ^ 0x02, b, c, 0xff, 0xfe, d, e, f])
    }

    /// The 64 bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The octets in network order.
    pub const fn octets(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Why this identifier cannot be a node's own, or `None` when it can.
    ///
    /// A group identifier names no node, and a kernel cannot bind the handles of identifiers that
    /// would read as an embedded IPv4 address, `::` or `::1`.
    pub const fn unusable_reason(self) -> Option<&'static str> {
        if self.0 & Self::GROUP != 0 {
            return Some("its group bit is set: a group identifier names no single node");
        }
        if self.0 >> 32 == 0 {
            return Some("its first 32 bits are zero");
        }
        if self.0 >> 32 == 0xffff {
            return Some("it would read as an IPv4-mapped address");
        }
        None
    }
}

impl fmt::Display for Nid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Groups(self.0), f)
    }
}

impl fmt::Debug for Nid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Nid {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let groups: Result<Groups, _> = text.parse();
        groups
            .map(|Groups(bits)| Self(bits))
            .map_err(|_| ParseIdError {
                found: text.chars().take(64).collect(),
                expected: "a Node Identifier (four groups of hex digits, as 0214:4fff:fe20:ee64)",
            })
    }
}

serde_as_text!(Nid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_four_digits_and_reads_one_to_four() {
        let nid: Nid = "214:4FFF:fe20:ee64".parse().unwrap();
        assert_eq!(nid.to_string(), "0214:4fff:fe20:ee64");
        assert_eq!(
            nid.octets(),
            [0x02, 0x14, 0x4f, 0xff, 0xfe, 0x20, 0xee, 0x64]
        );
    }

    #[test]
    fn refuses_what_is_not_four_groups() {
        for text in [
            "",
            "1:2:3",
            "1:2:3:4:5",
            "14::64",
            "+1:2:3:4",
            "12345:1:1:1",
            "g:1:1:1",
            "1:2:3:4 ",
        ] {
            assert!(text.parse::<Nid>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn sets_the_bits_that_its_origin_calls_for() {
        let nid = Nid::from_mac([0x00, 0x14, 0x4f, 0x20, 0xee, 0x64]);
        assert_eq!(nid.to_string(), "0214:4fff:fe20:ee64");
        let random = Nid::from_random(u64::MAX);
        assert_eq!(random.octets()[0], 0xfc);
        assert_eq!(random.unusable_reason(), None);
    }

    #[test]
    fn names_why_an_identifier_is_unusable() {
        for text in ["0114:4fff:fe20:ee64", "0:0:0:1", "0:ffff:c000:201"] {
            assert!(
                text.parse::<Nid>().unwrap().unusable_reason().is_some(),
                "{text}"
            );
        }
    }
}
