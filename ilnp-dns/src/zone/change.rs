//! What turned one version of a zone into the next.

use super::draft::Draft;
use super::{Serial, Zone, ZoneError, serial};
use crate::record::Record;

/// The difference between two versions of a zone, as an incremental transfer tells it (RFC 1995).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The SOA record before.
    pub old_soa: Record,
    /// The other records that are gone. A set whose TTL changed is gone and added.
    pub removed: Vec<Record>,
    /// The SOA record after.
    pub new_soa: Record,
    /// The other records that are new.
    pub added: Vec<Record>,
}

/// Why a change does not fit a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// It starts from another version.
    #[error("the change starts from serial {expected}, but the zone has serial {found}")]
    Serial {
        /// The version that it starts from.
        expected: Serial,
        /// That of the zone.
        found: Serial,
    },
    /// It removes a record that is not there.
    #[error("the change removes a {} record that {} does not have", .0.rtype, .0.name)]
    Missing(Box<Record>),
    /// It adds a record that the zone cannot take.
    #[error(transparent)]
    Record(#[from] ZoneError),
}

impl Change {
    /// The version before.
    pub fn old_serial(&self) -> Serial {
        serial::of_soa(&self.old_soa.rdata).unwrap_or(Serial(0))
    }

    /// The version after.
    pub fn new_serial(&self) -> Serial {
        serial::of_soa(&self.new_soa.rdata).unwrap_or(Serial(0))
    }

    /// Whether nothing changed: an update that asks for what there is already.
    pub fn is_empty(&self) -> bool {
        self.old_soa == self.new_soa && self.removed.is_empty() && self.added.is_empty()
    }

    /// The change back.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self {
            old_soa: self.new_soa,
            removed: self.added,
            new_soa: self.old_soa,
            added: self.removed,
        }
    }
}

impl Zone {
    /// The zone after a change: how a journal is replayed.
    ///
    /// # Errors
    /// When the change does not fit; the journal and the zone belong to different histories then.
    pub fn apply(&self, change: &Change) -> Result<Self, ApplyError> {
        let (expected, found) = (change.old_serial(), self.serial());
        if expected != found {
            return Err(ApplyError::Serial { expected, found });
        }
        let mut draft = Draft::new(self);
        draft.remove(&change.old_soa)?;
        for record in &change.removed {
            draft.remove(record)?;
        }
        for record in change.added.iter().chain([&change.new_soa]) {
            draft.load(record)?;
        }
        draft.into_zone().map_err(ApplyError::Record)
    }
}
