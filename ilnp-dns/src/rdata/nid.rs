//! The NID record: who a node is (RFC 6742 §2.1).

use core::fmt;
use core::str::FromStr;

use ilnp_core::id::{self, Groups, Preference};

use super::{RdataError, parse_groups, split_text, split_wire};

/// A Node Identifier of the owner.
///
/// ```text
///  octet  0          1          2                               9
///        +----------+----------+----------+--  ...  --+----------+
///        |      Preference     |             NodeID              |
///        +----------+----------+----------+--  ...  --+----------+
/// ```
///
/// As text: the Preference in decimal and the NodeID in four groups of hex digits,
/// `10 0014:4fff:ff20:ee64`; four digits a group are written, one to four read, `::` never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nid {
    /// How much this identifier is preferred among those of its owner.
    pub preference: Preference,
    /// The identifier.
    pub node_id: id::Nid,
}

impl Nid {
    /// The number of the type.
    pub const TYPE: u16 = 104;

    /// Reads RDATA.
    ///
    /// # Errors
    /// [`RdataError::Length`] unless there are 10 octets.
    pub fn from_wire(rdata: &[u8]) -> Result<Self, RdataError> {
        let (preference, node_id) = split_wire("NID", rdata)?;
        Ok(Self {
            preference,
            node_id: id::Nid::from_octets(node_id),
        })
    }

    /// Writes RDATA: 10 octets.
    pub fn to_wire(&self) -> Vec<u8> {
        [&self.preference.0.to_be_bytes()[..], &self.node_id.octets()].concat()
    }
}

impl fmt::Display for Nid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.preference.0, Groups(self.node_id.bits()))
    }
}

impl FromStr for Nid {
    type Err = RdataError;

    fn from_str(text: &str) -> Result<Self, RdataError> {
        let (preference, node_id) = split_text(text, "0014:4fff:ff20:ee64")?;
        Ok(Self {
            preference,
            node_id: id::Nid::from_bits(parse_groups(node_id)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WIRE: [u8; 10] = [0x00, 0x0a, 0x02, 0x14, 0x4f, 0xff, 0xfe, 0x20, 0xee, 0x64];

    #[test]
    fn wire_and_text_say_the_same() {
        let nid = Nid::from_wire(&WIRE).unwrap();
        assert_eq!(nid.to_string(), "10 0214:4fff:fe20:ee64");
        assert_eq!(nid.to_wire(), WIRE);
        assert_eq!("10 214:4FFF:fe20:EE64".parse(), Ok(nid));
    }

    #[test]
    fn short_groups_are_read_as_other_servers_write_them() {
        let nid: Nid = "0  0:1:a:14".parse().unwrap();
        assert_eq!(nid.to_string(), "0 0000:0001:000a:0014");
    }

    #[test]
    fn only_ten_octets_are_read() {
        for length in (0..=12).filter(|&length| length != WIRE.len()) {
            let refused = Nid::from_wire(&[0; 12][..length]).unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!("NID RDATA has 10 octets, not {length}")
            );
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "10",
            "0214:4fff:fe20:ee64",
            "10 14::64",
            "10 0214:4fff:fe20",
            "10 0214:4fff:fe20:ee64:1",
            "10 02140:4fff:fe20:ee64",
            "10 0214:4fff:fe20:ee64 x",
            "65536 0214:4fff:fe20:ee64",
            "-1 0214:4fff:fe20:ee64",
            "+1 0214:4fff:fe20:ee64",
            "x 0214:4fff:fe20:ee64",
        ] {
            assert!(text.parse::<Nid>().is_err(), "{text:?}");
        }
        let refused = "10 14::64".parse::<Nid>().unwrap_err().to_string();
        assert!(
            refused.starts_with("\"14::64\" is not four groups"),
            "{refused}"
        );
    }

    proptest! {
        #[test]
        fn any_record_survives_wire_and_text(preference: u16, bits: u64) {
            let nid = Nid {
                preference: Preference(preference),
                node_id: id::Nid::from_bits(bits),
            };
            prop_assert_eq!(Nid::from_wire(&nid.to_wire()), Ok(nid));
            prop_assert_eq!(nid.to_string().parse(), Ok(nid));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _refused_or_not = text.parse::<Nid>();
        }
    }
}
