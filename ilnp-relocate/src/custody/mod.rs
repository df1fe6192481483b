//! Who owns a guest: the rule that keeps it from ever running at two sites.
//!
//! Each site keeps one [`Record`] of a guest and decides by it alone. A [`Custody`] takes what
//! happens ([`Input`]) and says what is to be done ([`Action`]), without input or output of its own.
//!
//! ```text
//!   source                                         target
//!   mine                    -- offer -->           none, released, discarded
//!                           <-- ready --           incoming
//!   (copies; any failure: resumes, -- abort -->    discarded)
//!   handed-over             -- commit -->          incoming, committed
//!                           <-- running --         mine       (once everything has been loaded)
//!   released
//!                           <-- refused --         discarded  (when it cannot be loaded)
//!   mine again
//! ```
//!
//! * Until the source has recorded `handed-over` it may resume the guest alone, and nobody else may.
//! * Then it never does so by itself: only when the target says that it has recorded `discarded`.
//! * The target never lets a guest run before it has recorded `mine`, which takes both the whole
//!   state and the commit.
//!
//! Every attempt has a number of its own, the [epoch](Record::epoch), larger than all before it, and
//! an identifier by chance. So orders that come late, twice or from someone else mean nothing.
//! An order may be lost, and repeated at any time: the source repeats its commit, and the target
//! asks the source, for as long as it takes.

#[cfg(test)]
mod model;
mod source;
mod target;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::channel::RelocationId;
use crate::site::Site;

/// What a site knows of a guest, and does not forget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Record {
    /// The number of the last attempt to move the guest that this site took part in. The guest's
    /// first start is attempt 1; no attempt at all is 0.
    pub epoch: u64,
    /// What this site is to the guest.
    pub standing: Standing,
}

/// What a site is to a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Standing {
    /// The guest has never been here.
    #[default]
    None,
    /// The guest is here, and may run.
    Mine {
        /// The relocation that brought it; none where it was started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<RelocationId>,
    },
    /// All of the guest has been sent away: it must not run here unless the other site refuses it.
    HandedOver {
        /// The relocation.
        relocation: RelocationId,
        /// To whom.
        to: Site,
    },
    /// The guest runs elsewhere, or has gone on from there.
    Released {
        /// The relocation.
        relocation: RelocationId,
        /// To whom it went.
        to: Site,
    },
    /// The guest is on its way here: it must not run before it is [`Mine`](Self::Mine).
    Incoming {
        /// The relocation.
        relocation: RelocationId,
        /// From whom.
        from: Site,
    },
    /// The guest was on its way here and will not come.
    Discarded {
        /// The relocation.
        relocation: RelocationId,
        /// From whom.
        from: Site,
    },
}

/// An order between two agents about the custody of one guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Message {
    /// The relocation that it belongs to.
    pub relocation: RelocationId,
    /// The number of the attempt.
    pub epoch: u64,
    /// What it says.
    pub kind: Kind,
}

/// What an order says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// To the target: will you take it?
    Offer,
    /// To the source, before anything is copied: no. It says nothing about an offer that was taken.
    Declined,
    /// To the source: everything is ready to receive.
    Ready,
    /// To the source: it does not run here and never will by this relocation.
    Refused,
    /// To the target: everything has been sent, it is yours.
    Commit,
    /// To the target: it will not come.
    Abort,
    /// To the source: it is mine.
    Running,
    /// To the source: what has become of this relocation?
    Ask,
}

/// What happens to a guest at a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// An operator wants it moved.
    Move {
        /// A new identifier.
        relocation: RelocationId,
        /// Where to.
        to: Site,
    },
    /// The relocation has failed here, or is to be aborted.
    Fail,
    /// Everything has been written into the streams and the guest stands still.
    Copied,
    /// The target is ready to receive.
    Prepared,
    /// The whole state has arrived. The guest does not run.
    Loaded,
    /// An order has come, from the site that proved to be this one.
    Received(Site, Message),
    /// The other site can be reached again, or it is time to try again.
    Reconcile,
}

/// What is to be done, in this order. An action begins when the one before it has been completed; a
/// crash between any two of them does no harm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Make this record durable. Where that fails, nothing that follows may be done.
    Journal(Record),
    /// Send an order.
    Send(Site, Message),
    /// Send an order that declines an offer, with the reason.
    Decline(Site, Message, &'static str),
    /// At the target: make everything ready to receive, then tell [`Input::Prepared`] or
    /// [`Input::Fail`].
    Prepare,
    /// At the source: copy, then tell [`Input::Copied`] or [`Input::Fail`].
    Copy,
    /// Let the guest run here; at the source, undo what a copy has left first.
    Resume,
    /// The guest runs elsewhere for good: end what is left of it here.
    Release,
    /// Throw away what has arrived.
    Discard,
}

/// Why something cannot be done now. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is elsewhere.
    #[error("the guest is not at this site: {0}")]
    NotHere(&'static str),
    /// One relocation at a time.
    #[error("the guest is being moved to site {to} already, by relocation {relocation}")]
    BeingMoved {
        /// The one that goes on.
        relocation: RelocationId,
        /// Its target.
        to: Site,
    },
    /// The point of no return has passed.
    #[error("the guest has been handed over to site {to} already, by relocation {relocation}")]
    HandedOver {
        /// The relocation.
        relocation: RelocationId,
        /// Its target.
        to: Site,
    },
    /// There is nothing to be aborted.
    #[error("the guest is not being moved")]
    Idle,
    /// An order that does not fit: late, repeated, forged, or of another relocation.
    #[error("{kind:?} of relocation {relocation}, epoch {epoch}, from site {from}: {why}")]
    Order {
        /// What it says.
        kind: Kind,
        /// Its relocation.
        relocation: RelocationId,
        /// Its attempt.
        epoch: u64,
        /// Who sent it.
        from: Site,
        /// Why it is refused.
        why: &'static str,
    },
}

/// The custody of one guest at one site.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Custody {
    record: Record,
    /// What goes on and is forgotten in a crash.
    activity: Activity,
}

/// What goes on at a site and is forgotten in a crash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Activity {
    Idle,
    /// At the source, before the hand-over.
    Leaving {
        relocation: RelocationId,
        to: Site,
        ready: bool,
    },
    /// At the target, before it is mine.
    Arriving {
        prepared: bool,
        loaded: bool,
        committed: bool,
    },
}

impl Custody {
    /// Goes on with what is on record, after whatever happened. Says what has to be done at once:
    /// the hypervisor may be in any state that the record allows.
    #[must_use]
    pub fn restore(record: Record) -> (Self, Vec<Action>) {
        let mut custody = Self {
            record,
            activity: Activity::Idle,
        };
        let actions = match &custody.record.standing {
            Standing::None => Vec::new(),
            // It may have been stopped for a copy, or have arrived and not run yet.
            Standing::Mine { .. } => vec![Action::Resume],
            Standing::HandedOver { .. } => custody.reconcile(),
            Standing::Released { .. } => vec![Action::Release],
            Standing::Discarded { .. } => vec![Action::Discard],
            // The streams were cut with the agent that served them.
            Standing::Incoming { .. } => custody.give_up(),
        };
        (custody, actions)
    }

    /// What is on record, or about to be.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Whom this site needs an answer from before it can decide.
    #[must_use]
    pub fn waits_for(&self) -> Option<&Site> {
        match (&self.record.standing, &self.activity) {
            (Standing::HandedOver { to, .. }, _) => Some(to),
            (
                Standing::Incoming { from, .. },
                Activity::Arriving {
                    committed: false, ..
                },
            ) => Some(from),
            _ => None,
        }
    }

    /// Whether nothing goes on.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.activity == Activity::Idle
            && !matches!(self.record.standing, Standing::HandedOver { .. })
    }

    /// Takes the guest that starts here for the first time.
    ///
    /// # Errors
    /// When the guest is, or may be, anywhere already.
    pub fn take(&mut self) -> Result<Vec<Action>, Refusal> {
        match self.record.standing {
            Standing::None => Ok(self.keep(1, Standing::Mine { by: None }).into()),
            _ => Err(self.not_here()),
        }
    }

    /// Decides what is to be done about `input`.
    ///
    /// # Errors
    /// Why nothing is. The state is as before.
    pub fn handle(&mut self, input: Input) -> Result<Vec<Action>, Refusal> {
        match input {
            Input::Move { relocation, to } => self.offer(relocation, to),
            Input::Fail => self.fail(),
            Input::Copied => self.hand_over(),
            Input::Prepared => self.prepared(),
            Input::Loaded => self.loaded(),
            Input::Received(from, message) => match message.kind {
                Kind::Declined | Kind::Ready | Kind::Refused | Kind::Running | Kind::Ask => {
                    self.received_by_source(from, message)
                }
                Kind::Offer | Kind::Commit | Kind::Abort => self.received_by_target(from, message),
            },
            Input::Reconcile => Ok(self.reconcile()),
        }
    }

    /// What the other site must be told or asked, as long as it is not known what it knows.
    fn reconcile(&self) -> Vec<Action> {
        match (&self.record.standing, &self.activity) {
            (Standing::HandedOver { relocation, to }, _) => {
                vec![Action::Send(
                    to.clone(),
                    self.message(*relocation, Kind::Commit),
                )]
            }
            (
                Standing::Incoming { relocation, from },
                Activity::Arriving {
                    committed: false, ..
                },
            ) => vec![Action::Send(
                from.clone(),
                self.message(*relocation, Kind::Ask),
            )],
            _ => Vec::new(),
        }
    }

    fn fail(&mut self) -> Result<Vec<Action>, Refusal> {
        match (&self.record.standing, &self.activity) {
            (Standing::Mine { .. }, Activity::Leaving { .. }) => Ok(self.take_back()),
            (Standing::HandedOver { .. }, _) => Err(self.not_here()),
            (Standing::Incoming { .. }, _) => Ok(self.give_up()),
            _ => Err(Refusal::Idle),
        }
    }

    /// Changes the record.
    fn keep(&mut self, epoch: u64, standing: Standing) -> [Action; 1] {
        self.record = Record { epoch, standing };
        [Action::Journal(self.record.clone())]
    }

    fn message(&self, relocation: RelocationId, kind: Kind) -> Message {
        Message {
            relocation,
            epoch: self.record.epoch,
            kind,
        }
    }

    /// Why this site cannot dispose of the guest.
    fn not_here(&self) -> Refusal {
        match (&self.record.standing, &self.activity) {
            (_, Activity::Leaving { relocation, to, .. }) => Refusal::BeingMoved {
                relocation: *relocation,
                to: to.clone(),
            },
            (Standing::HandedOver { relocation, to }, _) => Refusal::HandedOver {
                relocation: *relocation,
                to: to.clone(),
            },
            (Standing::None, _) => Refusal::NotHere("it has never been here"),
            (Standing::Mine { .. }, _) => Refusal::NotHere("it is here, and at rest"),
            (Standing::Released { .. }, _) => Refusal::NotHere("it has moved away"),
            (Standing::Incoming { .. }, _) => Refusal::NotHere("it is on its way here"),
            (Standing::Discarded { .. }, _) => {
                Refusal::NotHere("it was on its way here and did not come")
            }
        }
    }
}

/// The refusal of an order.
fn refuse(from: Site, message: Message, why: &'static str) -> Refusal {
    Refusal::Order {
        kind: message.kind,
        relocation: message.relocation,
        epoch: message.epoch,
        from,
        why,
    }
}
