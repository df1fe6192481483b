//! Master files (RFC 1035 §5): a zone as people write it.
//!
//! Records of the types that RFC 6742 adds, and of those that a zone looks into, are read and
//! written here; a few more types are read by hickory, and any type in the form of RFC 3597.
//! `$ORIGIN` and `$TTL` are known; `$INCLUDE` and `$GENERATE` are refused, for a zone is one file.

mod entry;
mod rdata;
mod record;
mod value;

use core::fmt::Write as _;
use std::path::Path;

use super::Zone;
use crate::name::Name;
use crate::record::{Record, RecordType};
use entry::{Entries, Fault};
use ilnp_service::mistake::{FileError, Mistake, Position};
use record::Reader;

/// Mistakes that are told at once.
const MAX_MISTAKES: usize = 20;
/// The longest file that is read, in octets.
const MAX_LENGTH: u64 = 1 << 30;

/// Reads a zone from a file.
///
/// # Errors
/// [`FileError`]: unreadable, too long, or its mistakes.
pub fn load(path: &Path, origin: &Name) -> Result<Zone, FileError> {
    FileError::load(path, MAX_LENGTH, |octets| read(octets, origin))
}

/// Reads a zone from the octets of a file.
///
/// # Errors
/// The first mistakes, with their places.
pub fn read(octets: &[u8], origin: &Name) -> Result<Zone, Vec<Mistake>> {
    let text = Mistake::unless_text(octets).map_err(|mistake| vec![mistake])?;
    zone(text, origin).map_err(|faults| {
        let faults = faults.into_iter().take(MAX_MISTAKES);
        let told = faults.map(|fault| Mistake {
            position: Position::of(text, fault.offset),
            message: fault.message,
        });
        told.collect()
    })
}

fn zone(text: &str, origin: &Name) -> Result<Zone, Vec<Fault>> {
    let mut reader = Reader::new(origin.clone());
    let (mut records, mut faults) = (Vec::new(), Vec::new());
    for entry in Entries::of(text) {
        let offset = entry.as_ref().map_or(0, |entry| entry.words[0].offset);
        match entry.and_then(|entry| reader.read(&entry)) {
            Ok(record) => records.extend(record.map(|record| (offset, record))),
            Err(fault) => faults.push(fault),
        }
        if faults.len() >= MAX_MISTAKES {
            return Err(faults);
        }
    }
    let mut zone = Zone::empty(origin.clone(), reader.class());
    for (offset, record) in records {
        if let Err(error) = zone.load(record) {
            faults.push(Fault::new(offset, error.to_string()));
        }
    }
    // What is missing may be what could not be read.
    if faults.is_empty()
        && let Err(error) = zone.check_apex()
    {
        faults.push(Fault::new(text.len(), error.to_string()));
    }
    if faults.is_empty() {
        Ok(zone)
    } else {
        Err(faults)
    }
}

/// Writes a zone as a file that can be read again, in canonical order behind the SOA record.
pub fn write(zone: &Zone) -> String {
    let mut records: Vec<Record> = zone.records().collect();
    records.sort_by(|one, other| order(one).cmp(&order(other)));
    let mut text = String::new();
    for record in records {
        write_record(&record, &mut text);
    }
    text
}

fn order(record: &Record) -> (bool, &Name, RecordType, &[u8]) {
    let behind_soa = record.rtype != RecordType::SOA;
    (behind_soa, &record.name, record.rtype, &record.rdata)
}

fn write_record(record: &Record, text: &mut String) {
    let Record {
        name,
        ttl,
        class,
        rtype,
        rdata,
    } = record;
    write!(text, "{name}\t{ttl}\t{class}\t{rtype}\t").expect("a String takes all");
    rdata::write(*rtype, rdata, text);
    text.push('\n');
}
