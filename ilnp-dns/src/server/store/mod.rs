//! Zones on disk.
//!
//! An update is a row of the zone's journal and nothing else, so that a commit writes few pages,
//! and updates that wait together share one. Every [`FOLD`] changes the record sets that they
//! touched are written too, and rows that are older than the fold before go: the database stays as
//! large as its zones and a bounded journal, and a start replays at most a bounded journal.

mod encoding;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition,
    TableError, WriteTransaction,
};

use crate::name::Name;
use crate::record::{Class, RecordType};
use crate::zone::change::ApplyError;
use crate::zone::{Change, Zone, ZoneError};
use encoding::Corrupt;

/// After how many changes their record sets are written.
const FOLD: u64 = 4096;

/// By the zone's name: up to which change its record sets are written, and its class.
const ZONES: TableDefinition<'_, &[u8], (u64, u16)> = TableDefinition::new("zones");

/// The record sets of a zone, by owner and type.
type Sets<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;
/// The changes of a zone, by number.
type Journal<'a> = TableDefinition<'a, u64, &'static [u8]>;

/// Why a zone cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum StoreError {
    /// The database says so.
    #[error("the database {} fails: {source}", path.display())]
    Database {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
    /// What it holds is no zone.
    #[error("the database {} holds a damaged zone {zone}: {reason}; restore the file, or move it away to begin from the master file", path.display())]
    Damaged {
        /// Its file.
        path: PathBuf,
        /// Which zone.
        zone: Name,
        /// What is wrong.
        reason: String,
    },
}

/// What went wrong, before it is said where.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Database(Box<redb::Error>),
    #[error("a row cannot be read")]
    Corrupt,
    #[error(transparent)]
    Zone(#[from] ZoneError),
    #[error(transparent)]
    Journal(#[from] ApplyError),
}

impl From<Corrupt> for Problem {
    fn from(Corrupt: Corrupt) -> Self {
        Self::Corrupt
    }
}

impl<E: Into<redb::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

/// The database of all zones.
#[derive(Debug)]
pub(super) struct Store {
    database: Database,
    path: PathBuf,
}

/// Where the journal of a zone stands.
#[derive(Debug)]
pub(super) struct Progress {
    /// How many changes there ever were.
    changes: u64,
    /// Up to which change the record sets are written.
    folded: u64,
    /// The record sets that later changes touched.
    touched: BTreeSet<(Name, RecordType)>,
}

/// A zone as it was read, with its latest changes.
#[derive(Debug)]
pub(super) struct Stored {
    /// The zone after all changes.
    pub(super) zone: Zone,
    /// Its latest changes, the oldest first.
    pub(super) history: Vec<Change>,
    /// Where its journal stands.
    pub(super) progress: Progress,
}

/// New changes of a zone.
#[derive(Debug)]
pub(super) struct Commit<'a> {
    /// The zone after them.
    pub(super) zone: &'a Zone,
    /// The changes, the oldest first.
    pub(super) changes: &'a [Change],
    /// Where its journal stood before; brought forward when it is written.
    pub(super) progress: &'a mut Progress,
}

impl Store {
    /// Opens the database, and makes it where there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`]; also when another server has it open.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::create(path).map_err(|error| StoreError::Database {
            path: path.to_owned(),
            source: Box::new(error.into()),
        })?;
        Ok(Self {
            database,
            path: path.to_owned(),
        })
    }

    /// Reads a zone; `None` when the database has none of that name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn load(&self, origin: &Name) -> Result<Option<Stored>, StoreError> {
        self.told(origin, self.read(origin))
    }

    /// Writes a zone that is new.
    ///
    /// # Errors
    /// [`StoreError::Database`]; nothing is written then.
    pub(super) fn create(&self, zone: &Zone) -> Result<Progress, StoreError> {
        self.told(zone.origin(), self.write_all(zone))
    }

    /// Writes changes of zones, all of them or none.
    ///
    /// # Errors
    /// [`StoreError::Database`]; the database has to be opened again then.
    pub(super) fn commit(&self, commits: &mut [Commit<'_>]) -> Result<(), StoreError> {
        let Some(first) = commits.first() else {
            return Ok(());
        };
        let origin = first.zone.origin().clone();
        self.told(&origin, self.write_changes(commits))
    }

    fn told<T>(&self, zone: &Name, done: Result<T, Problem>) -> Result<T, StoreError> {
        done.map_err(|problem| match problem {
            Problem::Database(source) => StoreError::Database {
                path: self.path.clone(),
                source,
            },
            damage => StoreError::Damaged {
                path: self.path.clone(),
                zone: zone.clone(),
                reason: damage.to_string(),
            },
        })
    }

    fn read(&self, origin: &Name) -> Result<Option<Stored>, Problem> {
        let reading = self.database.begin_read()?;
        let Some((folded, class)) = header(&reading, origin)? else {
            return Ok(None);
        };
        let mut records = Vec::new();
        for row in reading.open_table(Tables::of(origin).sets())?.iter()? {
            records.extend(encoding::read_records(row?.1.value())?);
        }
        let mut stored = Stored {
            zone: Zone::from_records(origin.clone(), class, records)?,
            history: Vec::new(),
            progress: Progress::new(folded),
        };
        for row in reading.open_table(Tables::of(origin).journal())?.iter()? {
            let (number, change) = row?;
            let change = encoding::read_change(change.value())?;
            if number.value() > folded {
                stored.zone = stored.zone.apply(&change)?;
                stored.progress.note(&change);
            }
            stored.history.push(change);
        }
        Ok(Some(stored))
    }

    fn write_all(&self, zone: &Zone) -> Result<Progress, Problem> {
        let writing = self.database.begin_write()?;
        {
            let tables = Tables::of(zone.origin());
            let mut sets = writing.open_table(tables.sets())?;
            let records: Vec<_> = zone.records().collect();
            for set in
                records.chunk_by(|one, next| one.rtype == next.rtype && one.name == next.name)
            {
                let mut octets = Vec::new();
                encoding::write_records(&mut octets, set);
                let key = encoding::set_key(&set[0].name, set[0].rtype);
                sets.insert(key.as_slice(), octets.as_slice())?;
            }
            writing.open_table(tables.journal())?;
            set_header(&writing, zone, 0)?;
        }
        writing.commit()?;
        Ok(Progress::new(0))
    }

    fn write_changes(&self, commits: &mut [Commit<'_>]) -> Result<(), Problem> {
        let mut writing = self.database.begin_write()?;
        // One fsync instead of two: a torn commit is found by its checksum.
        writing.set_two_phase_commit(false);
        for commit in commits.iter_mut() {
            append(&writing, commit)?;
            if commit.progress.is_long() {
                fold(&writing, commit)?;
            }
        }
        writing.commit()?;
        Ok(())
    }
}

impl Progress {
    fn new(folded: u64) -> Self {
        Self {
            changes: folded,
            folded,
            touched: BTreeSet::new(),
        }
    }

    /// Whether the journal has grown enough to be folded.
    fn is_long(&self) -> bool {
        self.changes - self.folded >= FOLD || self.touched.len() as u64 >= FOLD
    }

    /// Brings it forward by a change.
    fn note(&mut self, change: &Change) {
        self.changes += 1;
        let soa = [&change.new_soa];
        for record in change.removed.iter().chain(&change.added).chain(soa) {
            self.touched.insert((record.name.clone(), record.rtype));
        }
    }
}

/// Adds changes to the journal.
fn append(writing: &WriteTransaction, commit: &mut Commit<'_>) -> Result<(), Problem> {
    let tables = Tables::of(commit.zone.origin());
    let mut journal = writing.open_table(tables.journal())?;
    for change in commit.changes {
        commit.progress.note(change);
        let octets = encoding::write_change(change);
        journal.insert(commit.progress.changes, octets.as_slice())?;
    }
    Ok(())
}

/// Writes the record sets that changed, and forgets the changes up to the fold before.
fn fold(writing: &WriteTransaction, commit: &mut Commit<'_>) -> Result<(), Problem> {
    let tables = Tables::of(commit.zone.origin());
    let mut sets = writing.open_table(tables.sets())?;
    for (owner, rtype) in &commit.progress.touched {
        let key = encoding::set_key(owner, *rtype);
        let mut octets = Vec::new();
        let records: Vec<_> = commit.zone.records_of(owner, *rtype).collect();
        encoding::write_records(&mut octets, &records);
        match octets.is_empty() {
            true => drop(sets.remove(key.as_slice())?),
            false => drop(sets.insert(key.as_slice(), octets.as_slice())?),
        }
    }
    let mut journal = writing.open_table(tables.journal())?;
    journal.retain_in(..=commit.progress.folded, |_, _| false)?;
    commit.progress.folded = commit.progress.changes;
    commit.progress.touched.clear();
    set_header(writing, commit.zone, commit.progress.folded)
}

fn header(reading: &ReadTransaction, origin: &Name) -> Result<Option<(u64, Class)>, Problem> {
    let zones = match reading.open_table(ZONES) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        zones => zones?,
    };
    let row = zones.get(origin.wire().to_ascii_lowercase().as_slice())?;
    Ok(row.map(|row| (row.value().0, Class(row.value().1))))
}

fn set_header(writing: &WriteTransaction, zone: &Zone, folded: u64) -> Result<(), Problem> {
    let mut zones = writing.open_table(ZONES)?;
    let key = zone.origin().wire().to_ascii_lowercase();
    zones.insert(key.as_slice(), (folded, zone.class().0))?;
    Ok(())
}

/// The names of a zone's tables.
struct Tables {
    sets: String,
    journal: String,
}

impl Tables {
    fn of(origin: &Name) -> Self {
        let origin = origin.to_string().to_ascii_lowercase();
        Self {
            sets: format!("sets of {origin}"),
            journal: format!("journal of {origin}"),
        }
    }

    fn sets(&self) -> Sets<'_> {
        Sets::new(&self.sets)
    }

    fn journal(&self) -> Journal<'_> {
        Journal::new(&self.journal)
    }
}
