//! What a guest is told before a move that nobody has begun.
//!
//! The daemon in the guest forgets by itself where it will be, so nothing of this is on record but the
//! number that it was told under: an agent that starts again takes back what was told under the newest
//! one ([`First::Hello`](crate::relocation::port::First::Hello)).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::task::Task;
use crate::custody::Action;
use crate::relocation::plan::{Mode, MoveOrder};
use crate::relocation::trial::Trial;
use crate::report::{Outcome, Recorder};
use crate::site::Site;

/// How long a guest waits for a move that it is prepared for. Its daemon forgets it after this time, too.
const HOLDS: Duration = Duration::from_secs(3600);

/// A guest that knows where it will be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// What the move would be.
    #[serde(flatten)]
    pub trial: Trial,
    /// The number that the guest was told under.
    pub epoch: u64,
    /// How many correspondents it tells.
    pub correspondents: usize,
    /// For how long it is prepared, in seconds.
    pub holds_s: u64,
}

/// A move that a guest is prepared for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// Where to.
    pub to: Site,
    /// The number that the guest was told under.
    pub epoch: u64,
    /// For how much longer, in seconds.
    pub holds_s: u64,
}

/// The same, as the guest's task keeps it.
pub(super) struct Standby {
    to: Site,
    epoch: u64,
    until: Instant,
}

impl Standby {
    /// As operators see it.
    pub(super) fn told(&self) -> Prepared {
        let holds = self.until.saturating_duration_since(Instant::now());
        Prepared {
            to: self.to.clone(),
            epoch: self.epoch,
            holds_s: holds.as_secs(),
        }
    }
}

impl Task {
    /// The guest knows where it will be. Returns for how long that holds, in seconds.
    pub(super) fn is_prepared(&mut self, to: Site, epoch: u64) -> u64 {
        let until = Instant::now() + HOLDS;
        self.prepared = Some(Standby { to, epoch, until });
        HOLDS.as_secs()
    }

    /// The number of an attempt, which is on record before the guest hears it.
    pub(super) async fn take_number(&mut self) -> Result<u64, String> {
        let before = self.custody.clone();
        let actions = self.custody.take_number();
        for action in actions.map_err(|refusal| refusal.to_string())? {
            if let Action::Journal(record) = action
                && let Err(error) = self.record(&record).await
            {
                self.custody = before;
                return Err(ilnp_service::explain::explain(&error.into()));
            }
        }
        Ok(self.custody.record().epoch)
    }

    /// A move begins: what was prepared for another one is taken back. The move tells the guest
    /// again, under its own number and in the place of what it knows.
    pub(super) fn keep_prepared_only_for(&mut self, order: &MoveOrder) {
        let other = |standby: &Standby| standby.to != order.to || order.mode == Mode::Hard;
        if self.prepared.as_ref().is_some_and(other) {
            self.take_back_prepared();
        }
    }

    /// A move is over, and with it what was prepared for it.
    pub(super) fn settle_prepared(&mut self, outcome: Outcome, recorder: &Recorder) {
        if outcome == Outcome::Moved || recorder.report().soft {
            // The guest used it, or heard of this move in its place.
            self.prepared = None;
        } else {
            self.take_back_prepared();
        }
    }

    /// What was prepared does not hold for ever.
    pub(super) fn end_prepared(&mut self) {
        let over = |standby: &Standby| standby.until <= Instant::now();
        if self.leaving.is_none() && self.prepared.as_ref().is_some_and(over) {
            self.take_back_prepared();
        }
    }

    /// The guest stays where it is. Returns whether it was prepared for anything else.
    pub(super) fn take_back_prepared(&mut self) -> bool {
        let Some(standby) = self.prepared.take() else {
            return false;
        };
        if let Some(port) = &self.port {
            port.cancel(standby.epoch);
        }
        true
    }
}
