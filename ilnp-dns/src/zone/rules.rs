//! What records a zone takes.

use super::node::RrSets;
use super::{Zone, fields};
use crate::name::Name;
use crate::rdata::Lp;
use crate::record::{Class, Record, RecordType};

/// Records of one name and type. BIND takes no more from its primary either.
const MAX_RECORDS: usize = 100;
/// Types of one name, likewise.
const MAX_TYPES: usize = 100;
/// The highest TTL (RFC 2181 §8), in seconds.
pub(super) const MAX_TTL: u32 = i32::MAX.unsigned_abs();

/// Why records do not make a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// The apex has no SOA record.
    #[error("zone {0} has no SOA record")]
    NoSoa(Name),
    /// The apex has no NS record.
    #[error("zone {0} has no NS record at its apex: name at least one server")]
    NoNs(Name),
    /// A record of another zone.
    #[error("{name} is not within zone {origin}")]
    Elsewhere {
        /// The record's owner.
        name: Name,
        /// The zone.
        origin: Name,
    },
    /// A record of another class.
    #[error("a record of {0} has a class other than that of the zone")]
    Class(Name),
    /// A type that is for questions, or for messages rather than zones.
    #[error("{0} is no type of record that a zone can hold")]
    Type(RecordType),
    /// An SOA record below the apex.
    #[error("{0} has an SOA record, which belongs to the apex of the zone alone")]
    Soa(Name),
    /// RDATA that is not what its type says.
    #[error("the RDATA of the {1} record of {0} is malformed or of a wrong length")]
    Rdata(Name, RecordType),
    /// An LP record that points at its own owner (RFC 6742 §2.4.1.2).
    #[error("an LP record of {0} must not point at {0} itself")]
    OwnTarget(Name),
    /// A TTL above 2^31 - 1.
    #[error("the TTL of the {1} record of {0} is above 2147483647")]
    Ttl(Name, RecordType),
    /// A CNAME record beside others (RFC 2181 §10.1).
    #[error("{0} has a CNAME record, which must be the only record of its name")]
    Cname(Name),
    /// A second record of a type of which a name has one.
    #[error("{0} has several {1} records, of which there can be one")]
    Several(Name, RecordType),
    /// More records than a set may have.
    #[error("{0} has more than {MAX_RECORDS} {1} records")]
    TooManyRecords(Name, RecordType),
    /// More types than a name may have.
    #[error("{0} has records of more than {MAX_TYPES} types")]
    TooManyTypes(Name),
}

/// Checks what can be said of a record by itself.
pub(super) fn check(zone: &Zone, record: &Record) -> Result<(), ZoneError> {
    let Record { name, rtype, .. } = record;
    if record.class != zone.class {
        return Err(ZoneError::Class(name.clone()));
    }
    if !name.is_within(&zone.origin) {
        return Err(ZoneError::Elsewhere {
            name: name.clone(),
            origin: zone.origin.clone(),
        });
    }
    if is_meta(*rtype) {
        return Err(ZoneError::Type(*rtype));
    }
    if *rtype == RecordType::SOA && *name != zone.origin {
        return Err(ZoneError::Soa(name.clone()));
    }
    if record.ttl > MAX_TTL {
        return Err(ZoneError::Ttl(name.clone(), *rtype));
    }
    check_rdata(record)
}

/// Checks RDATA.
pub(super) fn check_rdata(record: &Record) -> Result<(), ZoneError> {
    let Record {
        name, rtype, rdata, ..
    } = record;
    // A is another thing in other classes (RFC 1035 §3.4).
    let looked_into = *rtype != RecordType::A || record.class == Class::IN;
    if looked_into && !fields::are_valid(*rtype, rdata) {
        return Err(ZoneError::Rdata(name.clone(), *rtype));
    }
    if *rtype == RecordType::LP
        && let Ok(lp) = Lp::from_wire(rdata)
        && lp.check_owner(name).is_err()
    {
        return Err(ZoneError::OwnTarget(name.clone()));
    }
    Ok(())
}

/// Checks whether a record can be added to those of its name.
pub(super) fn check_beside(sets: &RrSets, record: &Record) -> Result<(), ZoneError> {
    let (name, rtype) = (|| record.name.clone(), record.rtype);
    if is_excluded(rtype, sets) {
        return Err(ZoneError::Cname(name()));
    }
    match sets.get(rtype) {
        Some(set) if set.holds(&record.rdata) => Ok(()),
        Some(_) if is_single(rtype) => Err(ZoneError::Several(name(), rtype)),
        Some(set) if set.rdatas.len() >= MAX_RECORDS => {
            Err(ZoneError::TooManyRecords(name(), rtype))
        }
        None if sets.iter().count() >= MAX_TYPES => Err(ZoneError::TooManyTypes(name())),
        _ => Ok(()),
    }
}

/// Whether a type is for questions and messages: 0, OPT and those from 128 to 255 (RFC 6895 §3.1).
pub(super) fn is_meta(rtype: RecordType) -> bool {
    matches!(rtype.0, 0 | 128..=255) || rtype == RecordType::OPT
}

/// Whether a name has one record of a type at most.
pub(super) fn is_single(rtype: RecordType) -> bool {
    matches!(
        rtype,
        RecordType::SOA | RecordType::CNAME | RecordType::DNAME
    )
}

/// Whether a CNAME record keeps a type away from a name, or other records keep a CNAME away.
/// Signatures and denials of existence may stand beside it (RFC 4034 §3, §4).
pub(super) fn is_excluded(rtype: RecordType, sets: &RrSets) -> bool {
    const NSEC: RecordType = RecordType(47);
    let beside_all = |rtype| matches!(rtype, RecordType::RRSIG | NSEC);
    if beside_all(rtype) {
        return false;
    }
    let is_alias = rtype == RecordType::CNAME;
    let mut others = sets.iter().filter(|set| !beside_all(set.rtype));
    others.any(|set| (set.rtype == RecordType::CNAME) != is_alias)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_stands_alone() {
        let mut sets = RrSets::default();
        assert!(!is_excluded(RecordType::CNAME, &sets));
        sets.add(RecordType::CNAME, 5, b"\x01a\x00"[..].into());
        assert!(!is_excluded(RecordType::CNAME, &sets));
        assert!(!is_excluded(RecordType::RRSIG, &sets));
        assert!(is_excluded(RecordType::NID, &sets));
        sets.remove_set(RecordType::CNAME);
        sets.add(RecordType::RRSIG, 5, b""[..].into());
        assert!(!is_excluded(RecordType::CNAME, &sets));
        sets.add(RecordType::NID, 5, [0; 10][..].to_vec().into());
        assert!(is_excluded(RecordType::CNAME, &sets));
    }
}
