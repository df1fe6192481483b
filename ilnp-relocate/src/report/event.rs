//! What is told while a relocation goes on.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Phase, Report, SCHEMA, Told};
use crate::channel::RelocationId;
use crate::hypervisor::Progress;

/// One line: what happens to a guest, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// [`SCHEMA`].
    pub schema: u32,
    /// In seconds since 1970.
    pub time_s: f64,
    /// Which relocation.
    pub relocation: RelocationId,
    /// What happens.
    #[serde(flatten)]
    pub event: Event,
}

/// What happens in a relocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// It was asked for.
    Begun {
        /// The guest.
        guest: String,
        /// Where it goes.
        to: String,
    },
    /// The next phase begins.
    Phase {
        /// Which.
        phase: Phase,
    },
    /// The copy goes on.
    Copying {
        /// How far it is.
        progress: Progress,
    },
    /// The other site cannot be reached, or something must be tried again; it is.
    Waiting {
        /// For what.
        reason: String,
    },
    /// The guest told something after the move.
    Told(Told),
    /// It has ended.
    Ended {
        /// Everything about it.
        report: Box<Report>,
    },
}

impl Line {
    /// Whether nothing follows.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self.event, Event::Ended { .. })
    }

    /// Something that happens now.
    pub(super) fn now(relocation: RelocationId, event: Event) -> Self {
        Self {
            schema: SCHEMA,
            time_s: seconds_since_1970(),
            relocation,
            event,
        }
    }
}

/// The time of day, to the millisecond: so it is the same when it was written and read again.
pub(super) fn seconds_since_1970() -> f64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    (since.as_secs_f64() * 1e3).round() / 1e3
}
