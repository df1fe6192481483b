//! When correspondents are to be looked at again.

use std::collections::BTreeSet;

use crate::ilcc::Id;
use crate::time::Instant;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A look at the session: is it answered, silent, idle?
    Session,
    /// The next try of a Locator Update.
    Update,
}

/// All deadlines of correspondents, the earliest first. An entry remembers its own, so each is here
/// at most once.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Instant, Id, Due)>);

impl Deadlines {
    /// Moves a deadline; `None` takes it away.
    pub(super) fn set(
        &mut self,
        remembered: &mut Option<Instant>,
        id: Id,
        due: Due,
        at: Option<Instant>,
    ) {
        if let Some(old) = remembered.take() {
            self.0.remove(&(old, id, due));
        }
        if let Some(at) = at {
            self.0.insert((at, id, due));
            *remembered = Some(at);
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|&(at, ..)| at)
    }

    /// What is due now; the caller forgets the deadline in the entry.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Id, Due)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, id, due)| (id, due))
    }
}
