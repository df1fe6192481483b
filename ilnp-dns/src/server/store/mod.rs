//! Zones on disk.
//!
//! An update is a row of the zone's journal and nothing else, so that a commit writes few pages,
//! and updates that wait together share one. Every few thousand changes the record sets that they
//! touched are written too, and rows that are older than the fold before go: the database stays as
//! large as its zones and a bounded journal, and a start replays at most a bounded journal.

mod encoding;
mod journal;
mod tables;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase as _, ReadableTable as _};

use crate::name::Name;
use crate::zone::change::ApplyError;
use crate::zone::{Change, Zone, ZoneError};
use encoding::Corrupt;
pub(super) use journal::Progress;
use journal::{append, fold};
use tables::{Tables, header, set_header};

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
            let (number, octets) = row?;
            let change = encoding::read_change(octets.value())?;
            if number.value() > folded {
                stored.zone = stored.zone.apply(&change)?;
                stored.progress.note(&change, octets.value().len());
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
