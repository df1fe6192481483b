//! How record sets and changes look in the database.

use bytes::Bytes;

use crate::name::Name;
use crate::record::{Class, Record, RecordType};
use crate::zone::Change;

/// Octets of the database that are not what was written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Corrupt;

/// The key of a record set within its zone.
pub(super) fn set_key(owner: &Name, rtype: RecordType) -> Vec<u8> {
    let mut key = owner.wire().to_ascii_lowercase();
    key.extend(rtype.0.to_be_bytes());
    key
}

/// Writes records one after the other.
pub(super) fn write_records<'a>(
    octets: &mut Vec<u8>,
    records: impl IntoIterator<Item = &'a Record>,
) {
    for record in records {
        octets.extend_from_slice(record.name.wire());
        octets.extend(record.rtype.0.to_be_bytes());
        octets.extend(record.class.0.to_be_bytes());
        octets.extend(record.ttl.to_be_bytes());
        // RDATA came in a message or fits into one: 65,535 octets at most.
        let length = u16::try_from(record.rdata.len()).unwrap_or(u16::MAX);
        octets.extend(length.to_be_bytes());
        octets.extend_from_slice(&record.rdata[..length.into()]);
    }
}

/// Reads records up to the end.
pub(super) fn read_records(mut octets: &[u8]) -> Result<Vec<Record>, Corrupt> {
    let mut records = Vec::new();
    while !octets.is_empty() {
        records.push(read_record(&mut octets)?);
    }
    Ok(records)
}

/// A change: how many records it removes, both SOA records, those that it removes and those that
/// it adds.
pub(super) fn write_change(change: &Change) -> Vec<u8> {
    let removed = u32::try_from(change.removed.len()).unwrap_or(u32::MAX);
    let mut octets = removed.to_be_bytes().to_vec();
    write_records(&mut octets, [&change.old_soa, &change.new_soa]);
    write_records(&mut octets, &change.removed);
    write_records(&mut octets, &change.added);
    octets
}

/// Reads a change.
pub(super) fn read_change(mut octets: &[u8]) -> Result<Change, Corrupt> {
    let removed = u32::from_be_bytes(take(&mut octets)?);
    let old_soa = read_record(&mut octets)?;
    let new_soa = read_record(&mut octets)?;
    let removed = (0..removed)
        .map(|_| read_record(&mut octets))
        .collect::<Result<_, _>>()?;
    Ok(Change {
        old_soa,
        removed,
        new_soa,
        added: read_records(octets)?,
    })
}

fn read_record(octets: &mut &[u8]) -> Result<Record, Corrupt> {
    let (name, rest) = Name::split_from(octets).map_err(|_wrong| Corrupt)?;
    *octets = rest;
    let rtype = RecordType(u16::from_be_bytes(take(octets)?));
    let class = Class(u16::from_be_bytes(take(octets)?));
    let ttl = u32::from_be_bytes(take(octets)?);
    let length = u16::from_be_bytes(take(octets)?);
    let (rdata, rest) = octets.split_at_checked(length.into()).ok_or(Corrupt)?;
    *octets = rest;
    Ok(Record {
        name,
        rtype,
        class,
        ttl,
        rdata: Bytes::copy_from_slice(rdata),
    })
}

fn take<const N: usize>(octets: &mut &[u8]) -> Result<[u8; N], Corrupt> {
    let (taken, rest) = octets.split_first_chunk().ok_or(Corrupt)?;
    *octets = rest;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(owner: &str, rdata: &'static [u8]) -> Record {
        Record {
            name: owner.parse().unwrap(),
            rtype: RecordType::L64,
            class: Class::IN,
            ttl: 5,
            rdata: Bytes::from_static(rdata),
        }
    }

    #[test]
    fn changes_are_read_as_they_were_written() {
        let change = Change {
            old_soa: record("a.", b"old"),
            removed: vec![record("B.a.", b"1"), record("b.a.", b"")],
            new_soa: record("a.", b"new"),
            added: vec![record("c.a.", b"3")],
        };
        assert_eq!(read_change(&write_change(&change)), Ok(change));
    }

    #[test]
    fn keys_have_no_case() {
        let key = |name: &str| set_key(&name.parse().unwrap(), RecordType::NID);
        assert_eq!(key("A.b."), key("a.B."));
        assert_ne!(key("a.b."), key("a.c."));
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in prop::collection::vec(0_u8..4, 0..80)) {
            let _corrupt_or_not = read_change(&octets);
            let _corrupt_or_not = read_records(&octets);
        }
    }
}
