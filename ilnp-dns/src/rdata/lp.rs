//! The LP record: the name of the subnetwork that a node is in (RFC 6742 §2.4).

use core::fmt;
use core::str::FromStr;

use ilnp_core::id::Preference;

use super::{RdataError, split_text, split_wire};
use crate::name::Name;

/// A name that has the owner's Locators, in L64 or L32 records.
///
/// ```text
///  octet  0          1          2
///        +----------+----------+----------+--  ...  --+----------+
///        |      Preference     |               FQDN              |
///        +----------+----------+----------+--  ...  --+----------+
/// ```
///
/// The FQDN is never compressed, and keeps its case in the canonical form of DNSSEC. As text: the
/// Preference in decimal and the name, `10 l64-subnet1.example.com.`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lp {
    /// How much this name is preferred among those of its owner.
    pub preference: Preference,
    /// The name, without another LP behind it: one level of indirection is all there is.
    pub target: Name,
}

impl Lp {
    /// The number of the type.
    pub const TYPE: u16 = 107;

    /// Reads RDATA.
    ///
    /// # Errors
    /// [`RdataError::Name`] when the preference is not followed by an uncompressed name and
    /// nothing else; [`RdataError::Length`] without a preference.
    pub fn from_wire(rdata: &[u8]) -> Result<Self, RdataError> {
        let (preference, name) = rdata.split_at_checked(2).unwrap_or((rdata, &[]));
        let (preference, []) = split_wire("LP", preference)?;
        Ok(Self {
            preference,
            target: Name::from_wire(name)?,
        })
    }

    /// Writes RDATA: 3 to 257 octets.
    pub fn to_wire(&self) -> Vec<u8> {
        [&self.preference.0.to_be_bytes()[..], self.target.wire()].concat()
    }

    /// Checks that the record does not point at its own owner.
    ///
    /// # Errors
    /// [`RdataError::OwnTarget`] when it does (RFC 6742 §2.4.1.2).
    pub fn check_owner(&self, owner: &Name) -> Result<(), RdataError> {
        if self.target == *owner {
            Err(RdataError::OwnTarget(owner.clone()))
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for Lp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.preference.0, self.target)
    }
}

impl FromStr for Lp {
    type Err = RdataError;

    fn from_str(text: &str) -> Result<Self, RdataError> {
        let (preference, target) = split_text(text, "l64-subnet1.example.com.")?;
        Ok(Self {
            preference,
            target: target.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &[u8] = b"\x00\x0a\x0bl64-subnet1\x07example\x03com\x00";

    #[test]
    fn wire_and_text_say_the_same() {
        let lp = Lp::from_wire(WIRE).unwrap();
        assert_eq!(lp.to_string(), "10 l64-subnet1.example.com.");
        assert_eq!(lp.to_wire(), WIRE);
        assert_eq!("10 l64-subnet1.example.com.".parse(), Ok(lp));
    }

    #[test]
    fn the_case_of_the_name_is_kept() {
        let lp: Lp = "10 Mobile-Net1.Example.COM.".parse().unwrap();
        assert_eq!(lp.to_string(), "10 Mobile-Net1.Example.COM.");
    }

    #[test]
    fn rdata_cut_short_anywhere_is_refused() {
        for length in 0..WIRE.len() {
            assert!(Lp::from_wire(&WIRE[..length]).is_err(), "{length}");
        }
        assert!(Lp::from_wire(&[WIRE, b"\x00"].concat()).is_err());
    }

    #[test]
    fn a_compressed_name_is_refused() {
        let refused = Lp::from_wire(b"\x00\x0a\x03net\xc0\x0c").unwrap_err();
        assert_eq!(
            refused,
            RdataError::Name(crate::name::NameError::Compressed)
        );
    }

    #[test]
    fn a_record_must_not_point_at_its_owner() {
        let lp = Lp::from_wire(WIRE).unwrap();
        let owner: Name = "L64-SUBNET1.example.com.".parse().unwrap();
        let refused = lp.check_owner(&owner).unwrap_err().to_string();
        assert!(refused.contains("must not point at"), "{refused}");
        assert_eq!(
            lp.check_owner(&"host1.example.com.".parse().unwrap()),
            Ok(())
        );
    }
}
