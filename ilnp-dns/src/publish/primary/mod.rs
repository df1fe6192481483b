//! Keeping one primary up to date: what to send, and when to try again.
//!
//! Of the sets that were to be published the newest wins, whatever became of the one before. If
//! that one was never answered, it may still be on its way, and could arrive last; therefore the
//! newest is then sent once more after [`SETTLE`].

mod backoff;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::backoff::Backoff;
use super::problem::Problem;
use super::records::{Publication, Whereabouts};
use super::status::{Confirmed, Trying};
use super::zone_of;
use crate::message::Message;
use crate::name::Name;

/// For how long an update may be on its way.
const SETTLE: Duration = Duration::from_secs(5);

/// What is known about one primary.
#[derive(Debug)]
pub(super) struct Primary {
    publication: Arc<Publication>,
    /// What should be published; nothing is sent before there is something.
    wanted: Option<Whereabouts>,
    zone: Option<Name>,
    phase: Phase,
    confirmed: Option<Confirmed>,
    trying: Option<Trying>,
    backoff: Backoff,
    /// When the last update that was never answered left: one of what is wanted now...
    unanswered: Option<Instant>,
    /// ... and one of what was wanted before.
    overtaken: Option<Instant>,
}

/// Where things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// All is published.
    Done,
    /// A request is due.
    Due(Instant),
    /// The zone was asked for.
    Asked,
    /// The update was sent.
    Updated(Instant),
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send a query, wait for its answer so long at most.
    Query(Message, Duration),
    /// Send an update, signed, and wait for its answer so long at most.
    Update(Message, Duration),
    /// Ask again then, or when there is something else to publish.
    Wait(Option<Instant>),
}

impl Primary {
    /// A primary of which nothing is known. `seed` spreads the tries of many hosts in time.
    pub(super) fn new(publication: Arc<Publication>, seed: u64) -> Self {
        Self {
            zone: publication.zone.clone(),
            publication,
            wanted: None,
            phase: Phase::Done,
            confirmed: None,
            trying: None,
            backoff: Backoff::new(seed),
            unanswered: None,
            overtaken: None,
        }
    }

    /// Publishes this from now on. A request that is under way is of no more use.
    pub(super) fn want(&mut self, host: Whereabouts, now: Instant) {
        let under_way = match self.phase {
            Phase::Updated(at) => Some(at),
            _ => None,
        };
        self.overtaken = self.overtaken.max(self.unanswered.take()).max(under_way);
        self.wanted = Some(host);
        self.backoff.reset();
        self.phase = Phase::Due(now);
        self.trying = Some(Trying {
            since: self.trying.take().map_or(now, |trying| trying.since),
            failures: 0,
            problem: None,
        });
    }

    /// Publishes nothing any more. A request that is under way is of no more use.
    pub(super) fn want_nothing(&mut self) {
        self.wanted = None;
        self.trying = None;
        self.confirmed = None;
        self.phase = Phase::Done;
    }

    /// What to do. After a request, [`Self::answered`] follows, or [`Self::want`].
    pub(super) fn next(&mut self, now: Instant) -> Step {
        let (Phase::Due(at), Some(wanted)) = (self.phase, &self.wanted) else {
            return Step::Wait(None);
        };
        if now < at {
            return Step::Wait(Some(at));
        }
        let patience = self.backoff.patience();
        let Some(zone) = &self.zone else {
            self.phase = Phase::Asked;
            return Step::Query(zone_of::query(&self.publication.name), patience);
        };
        self.phase = Phase::Updated(now);
        Step::Update(self.publication.update(zone, wanted), patience)
    }

    /// Takes the answer to the request that is under way.
    pub(super) fn answered(&mut self, answer: Result<Message, Problem>, now: Instant) {
        let name = &self.publication.name;
        let result = match self.phase {
            Phase::Asked => answer
                .and_then(|answer| zone_of::read(name, &answer))
                .map(Some),
            Phase::Updated(at) => {
                if let Err(Problem::Unreachable(_)) = answer {
                    self.unanswered = Some(at);
                }
                answer
                    .and_then(|answer| Problem::of_update(name, &answer))
                    .map(|()| None)
            }
            Phase::Done | Phase::Due(_) => return,
        };
        match result {
            Ok(Some(zone)) => {
                self.zone = Some(zone);
                self.phase = Phase::Due(now);
            }
            Ok(None) => self.succeed(now),
            Err(problem) => self.fail(problem, now),
        }
    }

    fn succeed(&mut self, now: Instant) {
        let Some(host) = self.wanted.clone() else {
            return;
        };
        let overtaken = self.overtaken.map(|at| at + SETTLE);
        let again = overtaken.filter(|again| now < *again);
        self.phase = again.map_or(Phase::Done, Phase::Due);
        let same = self.confirmed.take_if(|confirmed| confirmed.host == host);
        self.confirmed = same.or(Some(Confirmed { host, since: now }));
        self.trying = None;
        self.backoff.reset();
    }

    fn fail(&mut self, problem: Problem, now: Instant) {
        if matches!(problem, Problem::NotServed(_)) {
            // The zone may have been split.
            self.zone.clone_from(&self.publication.zone);
        }
        self.phase = Phase::Due(now + self.backoff.pause(&problem));
        let trying = self.trying.get_or_insert(Trying {
            since: now,
            failures: 0,
            problem: None,
        });
        trying.failures += 1;
        trying.problem = Some(problem);
    }

    /// What should be published.
    pub(super) fn wanted(&self) -> Option<&Whereabouts> {
        self.wanted.as_ref()
    }

    /// The zone of the name, as far as it is known.
    pub(super) fn zone(&self) -> Option<&Name> {
        self.zone.as_ref()
    }

    /// What the primary has.
    pub(super) fn confirmed(&self) -> Option<&Confirmed> {
        self.confirmed.as_ref()
    }

    /// What is not confirmed yet.
    pub(super) fn trying(&self) -> Option<&Trying> {
        self.trying.as_ref()
    }
}
