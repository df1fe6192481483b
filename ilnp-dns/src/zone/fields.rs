//! What RDATA is made of, for the types whose RDATA a zone looks into.

use crate::name::Name;
use crate::record::RecordType;

/// A part of RDATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// A domain name, uncompressed.
    Name,
    /// A number of 16 bits.
    U16,
    /// A number of 32 bits.
    U32,
    /// Seconds, 32 bits.
    Seconds,
    /// An IPv4 address or a Locator32.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A NodeID or a Locator64.
    Groups,
    /// One character string or more, each with its length in front.
    Strings,
}

/// What the RDATA of a type is made of; `None` when a zone takes any octets for it.
pub(super) fn of(rtype: RecordType) -> Option<&'static [Field]> {
    use Field::{Groups, Ipv4, Ipv6, Name, Seconds, Strings, U16, U32};
    Some(match rtype {
        RecordType::A => &[Ipv4],
        RecordType::AAAA => &[Ipv6],
        RecordType::NS | RecordType::CNAME | RecordType::DNAME | RecordType::PTR => &[Name],
        RecordType::SOA => &[Name, Name, U32, Seconds, Seconds, Seconds, Seconds],
        RecordType::MX | RecordType::LP => &[U16, Name],
        RecordType::SRV => &[U16, U16, U16, Name],
        RecordType::TXT => &[Strings],
        RecordType::NID | RecordType::L64 => &[U16, Groups],
        RecordType::L32 => &[U16, Ipv4],
        _ => return None,
    })
}

/// Whether octets can be the RDATA of a type.
pub(super) fn are_valid(rtype: RecordType, rdata: &[u8]) -> bool {
    let Some(fields) = of(rtype) else {
        return true;
    };
    let behind = (fields.iter()).try_fold(rdata, |rest, field| Some(field.split(rest)?.1));
    behind.is_some_and(<[u8]>::is_empty)
}

/// Whether RDATA is the same; case does not matter in names (RFC 2136 §1.1).
pub(super) fn same(rtype: RecordType, one: &[u8], another: &[u8]) -> bool {
    if one == another {
        return true;
    }
    let Some(fields) = of(rtype).filter(|_| one.len() == another.len()) else {
        return false;
    };
    let (mut one, mut another) = (one, another);
    for field in fields {
        let (Some(ours), Some(theirs)) = (field.split(one), field.split(another)) else {
            return false;
        };
        let equal = match field {
            Field::Name => ours.0.eq_ignore_ascii_case(theirs.0),
            _ => ours.0 == theirs.0,
        };
        if !equal {
            return false;
        }
        (one, another) = (ours.1, theirs.1);
    }
    one == another
}

/// The name that a record points at: a server, an alias, or where an LP finds its Locators.
pub(super) fn target(rtype: RecordType, rdata: &[u8]) -> Option<Name> {
    let mut rest = rdata;
    for field in of(rtype)? {
        let (part, behind) = field.split(rest)?;
        if *field == Field::Name {
            return Name::from_wire(part).ok();
        }
        rest = behind;
    }
    None
}

impl Field {
    /// Splits octets behind this field, which they begin with.
    pub(super) fn split(self, octets: &[u8]) -> Option<(&[u8], &[u8])> {
        let length = match self {
            Self::Name => {
                let (_name, rest) = Name::split_from(octets).ok()?;
                octets.len() - rest.len()
            }
            Self::U16 => 2,
            Self::U32 | Self::Seconds | Self::Ipv4 => 4,
            Self::Groups => 8,
            Self::Ipv6 => 16,
            Self::Strings => return are_strings(octets).then_some((octets, &[])),
        };
        octets.split_at_checked(length)
    }
}

/// Whether octets are one character string or more, and nothing else.
fn are_strings(octets: &[u8]) -> bool {
    let mut rest = octets;
    while let Some((&length, behind)) = rest.split_first() {
        let Some(behind) = behind.get(usize::from(length)..) else {
            return false;
        };
        rest = behind;
    }
    !octets.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lengths_are_found() {
        let name = b"\x01a\x00";
        for (rtype, right) in [
            (RecordType::A, [0; 4].to_vec()),
            (RecordType::AAAA, [0; 16].to_vec()),
            (RecordType::NS, name.to_vec()),
            (RecordType::MX, [&[0; 2], &name[..]].concat()),
            (RecordType::SRV, [&[0; 6], &name[..]].concat()),
            (RecordType::SOA, [&name[..], name, &[0; 20]].concat()),
            (RecordType::NID, [0; 10].to_vec()),
            (RecordType::L32, [0; 6].to_vec()),
            (RecordType::L64, [0; 10].to_vec()),
            (RecordType::LP, [&[0; 2], &name[..]].concat()),
            (RecordType::TXT, b"\x01a\x00".to_vec()),
        ] {
            assert!(are_valid(rtype, &right), "{rtype}");
            assert!(!are_valid(rtype, &[&right, &[1][..]].concat()), "{rtype}");
            for length in 0..right.len() {
                // A text record of fewer strings is one too.
                let shorter = rtype == RecordType::TXT && length == 2;
                assert_eq!(are_valid(rtype, &right[..length]), shorter, "{rtype}");
            }
        }
        assert!(are_valid(RecordType(4711), b""));
    }

    #[test]
    fn case_matters_outside_of_names_alone() {
        assert!(same(RecordType::NS, b"\x01a\x00", b"\x01A\x00"));
        assert!(same(RecordType::LP, b"aa\x01a\x00", b"aa\x01A\x00"));
        assert!(!same(RecordType::LP, b"aa\x01a\x00", b"aA\x01A\x00"));
        assert!(!same(RecordType::TXT, b"\x01a", b"\x01A"));
        assert!(!same(RecordType(4711), b"a", b"A"));
        assert!(!same(RecordType::NS, b"\x02a", b"\x02A"), "cut short");
    }

    #[test]
    fn targets_are_found() {
        let name: Name = "a.".parse().unwrap();
        for (rtype, rdata) in [
            (RecordType::NS, &b"\x01a\x00"[..]),
            (RecordType::LP, b"\x00\x01\x01a\x00"),
            (RecordType::SRV, b"\x00\x01\x00\x01\x00\x01\x01a\x00"),
        ] {
            assert_eq!(target(rtype, rdata), Some(name.clone()));
        }
        assert_eq!(target(RecordType::A, &[0; 4]), None);
        assert_eq!(target(RecordType::LP, b"\x00"), None);
    }
}
