//! The journal of a zone: rows are added, and folded into the record sets.

use std::collections::BTreeSet;

use redb::WriteTransaction;

use super::tables::{Tables, set_header};
use super::{Commit, Problem, encoding};
use crate::name::Name;
use crate::record::RecordType;
use crate::zone::Change;

/// After how many changes their record sets are written,
pub(super) const FOLD: u64 = 4096;
/// and after how many octets of them.
const FOLD_OCTETS: usize = 8 << 20;

/// Where the journal of a zone stands.
#[derive(Debug)]
pub(in crate::server) struct Progress {
    /// How many changes there ever were.
    pub(super) changes: u64,
    /// Up to which change the record sets are written.
    pub(super) folded: u64,
    /// The octets of later changes.
    octets: usize,
    /// The record sets that later changes touched.
    pub(super) touched: BTreeSet<(Name, RecordType)>,
}

impl Progress {
    pub(super) fn new(folded: u64) -> Self {
        Self {
            changes: folded,
            folded,
            octets: 0,
            touched: BTreeSet::new(),
        }
    }

    /// Whether the journal has grown enough to be folded.
    pub(super) fn is_long(&self) -> bool {
        self.changes - self.folded >= FOLD || self.octets >= FOLD_OCTETS
    }

    /// Brings it forward by a change of so many octets.
    pub(super) fn note(&mut self, change: &Change, octets: usize) {
        self.changes += 1;
        self.octets += octets;
        let soa = [&change.new_soa];
        for record in change.removed.iter().chain(&change.added).chain(soa) {
            self.touched.insert((record.name.clone(), record.rtype));
        }
    }
}

/// Adds changes to the journal.
pub(super) fn append(writing: &WriteTransaction, commit: &mut Commit<'_>) -> Result<(), Problem> {
    let tables = Tables::of(commit.zone.origin());
    let mut journal = writing.open_table(tables.journal())?;
    for change in commit.changes {
        let octets = encoding::write_change(change);
        commit.progress.note(change, octets.len());
        journal.insert(commit.progress.changes, octets.as_slice())?;
    }
    Ok(())
}

/// Writes the record sets that changed, and forgets the changes up to the fold before.
pub(super) fn fold(writing: &WriteTransaction, commit: &mut Commit<'_>) -> Result<(), Problem> {
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
    commit.progress.octets = 0;
    commit.progress.touched.clear();
    set_header(writing, commit.zone, commit.progress.folded)
}
