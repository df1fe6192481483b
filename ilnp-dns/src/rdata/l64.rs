//! The L64 record: where a node or subnetwork is, for ILNPv6 (RFC 6742 §2.3).

use core::fmt;
use core::str::FromStr;

use ilnp_core::id::{Groups, Locator, Preference};

use super::{RdataError, parse_groups, split_text, split_wire};

/// A Locator of the owner.
///
/// ```text
///  octet  0          1          2                               9
///        +----------+----------+----------+--  ...  --+----------+
///        |      Preference     |            Locator64            |
///        +----------+----------+----------+--  ...  --+----------+
/// ```
///
/// As text: the Preference in decimal and the Locator64 in four groups of hex digits,
/// `10 2001:0db8:1140:1000`; four digits a group are written, one to four read, `::` never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct L64 {
    /// How much this Locator is preferred among those of its owner.
    pub preference: Preference,
    /// The Locator.
    pub locator: Locator,
}

impl L64 {
    /// The number of the type.
    pub const TYPE: u16 = 106;

    /// Reads RDATA.
    ///
    /// # Errors
    /// [`RdataError::Length`] unless there are 10 octets.
    pub fn from_wire(rdata: &[u8]) -> Result<Self, RdataError> {
        let (preference, locator) = split_wire("L64", rdata)?;
        Ok(Self {
            preference,
            locator: Locator::from_octets(locator),
        })
    }

    /// Writes RDATA: 10 octets.
    pub fn to_wire(&self) -> Vec<u8> {
        [&self.preference.0.to_be_bytes()[..], &self.locator.octets()].concat()
    }
}

impl fmt::Display for L64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.preference.0, Groups(self.locator.bits()))
    }
}

impl FromStr for L64 {
    type Err = RdataError;

    fn from_str(text: &str) -> Result<Self, RdataError> {
        let (preference, locator) = split_text(text, "2001:0db8:1140:1000")?;
        Ok(Self {
            preference,
            locator: Locator::from_bits(parse_groups(locator)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WIRE: [u8; 10] = [0x00, 0x0a, 0x20, 0x01, 0x0d, 0xb8, 0x11, 0x40, 0x10, 0x00];

    #[test]
    fn wire_and_text_say_the_same() {
        let l64 = L64::from_wire(&WIRE).unwrap();
        assert_eq!(l64.to_string(), "10 2001:0db8:1140:1000");
        assert_eq!(l64.locator, "2001:db8:1140:1000::/64".parse().unwrap());
        assert_eq!(l64.to_wire(), WIRE);
        assert_eq!("10 2001:DB8:1140:1000".parse(), Ok(l64));
    }

    #[test]
    fn only_ten_octets_are_read() {
        for length in (0..=12).filter(|&length| length != WIRE.len()) {
            assert!(L64::from_wire(&[0; 12][..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "10 2001:db8::",
            "10 2001:0db8:1140:1000::/64",
            "2001:0db8:1140:1000",
            "ten 2001:0db8:1140:1000",
        ] {
            assert!(text.parse::<L64>().is_err(), "{text:?}");
        }
        // The preference is missing in an example of RFC 6742 itself.
        let refused = "2001:0DB8:8140:8000".parse::<L64>().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "\"2001:0DB8:8140:8000\" is not a preference and a value, as in \"10 2001:0db8:1140:1000\""
        );
    }

    proptest! {
        #[test]
        fn any_record_survives_wire_and_text(preference: u16, bits: u64) {
            let l64 = L64 {
                preference: Preference(preference),
                locator: Locator::from_bits(bits),
            };
            prop_assert_eq!(L64::from_wire(&l64.to_wire()), Ok(l64));
            prop_assert_eq!(l64.to_string().parse(), Ok(l64));
        }
    }
}
