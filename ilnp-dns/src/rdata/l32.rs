//! The L32 record: where a node or subnetwork is, for ILNPv4 (RFC 6742 §2.2).

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

use ilnp_core::id::Preference;

use super::{RdataError, shortened, split_text, split_wire};

/// A 32-bit Locator of the owner.
///
/// ```text
///  octet  0          1          2          3          4          5
///        +----------+----------+----------+----------+----------+----------+
///        |      Preference     |                 Locator32                 |
///        +----------+----------+----------+----------+----------+----------+
/// ```
///
/// As text: the Preference in decimal and the Locator32 as in an A record, `10 10.1.2.0`. Numbers
/// with leading zeros, as the RFC's own examples have them, are refused as other servers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct L32 {
    /// How much this Locator is preferred among those of its owner.
    pub preference: Preference,
    /// The Locator.
    pub locator: Ipv4Addr,
}

impl L32 {
    /// The number of the type.
    pub const TYPE: u16 = 105;

    /// Reads RDATA.
    ///
    /// # Errors
    /// [`RdataError::Length`] unless there are 6 octets.
    pub fn from_wire(rdata: &[u8]) -> Result<Self, RdataError> {
        let (preference, locator) = split_wire::<4>("L32", rdata)?;
        Ok(Self {
            preference,
            locator: locator.into(),
        })
    }

    /// Writes RDATA: 6 octets.
    pub fn to_wire(&self) -> Vec<u8> {
        [&self.preference.0.to_be_bytes()[..], &self.locator.octets()].concat()
    }
}

impl fmt::Display for L32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.preference.0, self.locator)
    }
}

impl FromStr for L32 {
    type Err = RdataError;

    fn from_str(text: &str) -> Result<Self, RdataError> {
        let (preference, locator) = split_text(text, "10.1.2.0")?;
        let refused = |_| RdataError::Locator32(shortened(locator));
        Ok(Self {
            preference,
            locator: locator.parse().map_err(refused)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_and_text_say_the_same() {
        let l32: L32 = "20 10.1.4.0".parse().unwrap();
        assert_eq!(l32.to_wire(), [0, 20, 10, 1, 4, 0]);
        assert_eq!(L32::from_wire(&l32.to_wire()), Ok(l32));
        assert_eq!(l32.to_string(), "20 10.1.4.0");
    }

    #[test]
    fn only_six_octets_are_read() {
        for length in (0..=8).filter(|&length| length != 6) {
            assert!(L32::from_wire(&[0; 8][..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["10 10.1.02.0", "10 10.1.2", "10 ::1", "10.1.2.0"] {
            assert!(text.parse::<L32>().is_err(), "{text:?}");
        }
    }
}
