//! The tables of the database.

use redb::{ReadTransaction, TableDefinition, TableError, WriteTransaction};

use super::Problem;
use crate::name::Name;
use crate::record::Class;
use crate::zone::Zone;

/// By the zone's name: up to which change its record sets are written, and its class.
const ZONES: TableDefinition<'_, &[u8], (u64, u16)> = TableDefinition::new("zones");

/// The record sets of a zone, by owner and type.
type Sets<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;
/// The changes of a zone, by number.
type Journal<'a> = TableDefinition<'a, u64, &'static [u8]>;

/// The names of a zone's tables.
pub(super) struct Tables {
    sets: String,
    journal: String,
}

impl Tables {
    pub(super) fn of(origin: &Name) -> Self {
        let origin = origin.to_string().to_ascii_lowercase();
        Self {
            sets: format!("sets of {origin}"),
            journal: format!("journal of {origin}"),
        }
    }

    pub(super) fn sets(&self) -> Sets<'_> {
        Sets::new(&self.sets)
    }

    pub(super) fn journal(&self) -> Journal<'_> {
        Journal::new(&self.journal)
    }
}

/// Up to which change the record sets of a zone are written, and its class.
pub(super) fn header(
    reading: &ReadTransaction,
    origin: &Name,
) -> Result<Option<(u64, Class)>, Problem> {
    let zones = match reading.open_table(ZONES) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        zones => zones?,
    };
    let row = zones.get(origin.wire().to_ascii_lowercase().as_slice())?;
    Ok(row.map(|row| (row.value().0, Class(row.value().1))))
}

pub(super) fn set_header(
    writing: &WriteTransaction,
    zone: &Zone,
    folded: u64,
) -> Result<(), Problem> {
    let mut zones = writing.open_table(ZONES)?;
    let key = zone.origin().wire().to_ascii_lowercase();
    zones.insert(key.as_slice(), (folded, zone.class().0))?;
    Ok(())
}
