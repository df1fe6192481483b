//! The half of custody at the site that a guest leaves.

use super::{Action, Activity, Custody, Kind, Message, Refusal, Standing, refuse};
use crate::channel::RelocationId;
use crate::site::Site;

impl Custody {
    /// Takes the number of an attempt, for a relocation or for what the guest is told before one:
    /// nothing that is said of it later can mean another attempt.
    ///
    /// # Errors
    /// When the guest is not here and at rest.
    pub fn take_number(&mut self) -> Result<Vec<Action>, Refusal> {
        let (Standing::Mine { .. }, Activity::Idle) = (&self.record.standing, &self.activity)
        else {
            return Err(self.not_here());
        };
        let epoch = self.record.epoch.saturating_add(1);
        Ok(self.keep(epoch, self.record.standing.clone()).into())
    }

    /// Begins a relocation.
    pub(super) fn offer(
        &mut self,
        relocation: RelocationId,
        to: Site,
    ) -> Result<Vec<Action>, Refusal> {
        // The number of an attempt is used up before anyone hears of it.
        let mut actions = self.take_number()?;
        actions.push(Action::Send(
            to.clone(),
            self.message(relocation, Kind::Offer),
        ));
        self.activity = Activity::Leaving {
            relocation,
            to,
            ready: false,
        };
        Ok(actions)
    }

    /// Everything is in the streams: from here on the target decides.
    pub(super) fn hand_over(&mut self) -> Result<Vec<Action>, Refusal> {
        let Activity::Leaving {
            relocation,
            to,
            ready: true,
        } = self.activity.clone()
        else {
            return Err(Refusal::Idle);
        };
        self.activity = Activity::Idle;
        let standing = Standing::HandedOver { relocation, to };
        let mut actions = Vec::from(self.keep(self.record.epoch, standing));
        actions.extend(self.reconcile());
        Ok(actions)
    }

    /// The relocation ends before the hand-over: the guest goes on here, whatever the target does.
    pub(super) fn take_back(&mut self) -> Vec<Action> {
        let Activity::Leaving {
            relocation,
            to,
            ready,
        } = std::mem::replace(&mut self.activity, Activity::Idle)
        else {
            return Vec::new();
        };
        let abort = Action::Send(to, self.message(relocation, Kind::Abort));
        if ready {
            vec![Action::Resume, abort]
        } else {
            vec![abort]
        }
    }

    /// The record of a hand-over could not be made durable, and it is not known whether it is:
    /// the guest may go on here as soon as its opposite is durable.
    ///
    /// # Errors
    /// When there is no hand-over.
    pub fn hand_over_not_recorded(&mut self) -> Result<Vec<Action>, Refusal> {
        let Standing::HandedOver { relocation, to } = self.record.standing.clone() else {
            return Err(self.not_here());
        };
        let abort = Action::Send(to, self.message(relocation, Kind::Abort));
        let mut actions = Vec::from(self.keep(self.record.epoch, Standing::Mine { by: None }));
        actions.extend([Action::Resume, abort]);
        Ok(actions)
    }

    pub(super) fn received_by_source(
        &mut self,
        from: Site,
        message: Message,
    ) -> Result<Vec<Action>, Refusal> {
        match message.kind {
            Kind::Ask => Ok(self.answer(from, message)),
            _ if message.epoch != self.record.epoch => {
                Err(refuse(from, message, "it is of another attempt"))
            }
            _ => match self.record.standing.clone() {
                Standing::Mine { .. } => self.before_hand_over(from, message),
                Standing::HandedOver { relocation, to }
                    if relocation == message.relocation && to == from =>
                {
                    self.after_hand_over(from, message)
                }
                // Said twice.
                Standing::Released { relocation, to }
                    if (relocation, &to, message.kind)
                        == (message.relocation, &from, Kind::Running) =>
                {
                    Ok(Vec::new())
                }
                _ => Err(refuse(from, message, "this site does not move it")),
            },
        }
    }

    fn before_hand_over(&mut self, from: Site, message: Message) -> Result<Vec<Action>, Refusal> {
        let Activity::Leaving {
            relocation,
            to,
            ready,
        } = &mut self.activity
        else {
            return Err(refuse(from, message, "this site does not move it"));
        };
        if (*relocation, &*to) != (message.relocation, &from) {
            return Err(refuse(from, message, "it is of another relocation"));
        }
        match message.kind {
            Kind::Ready if !*ready => {
                *ready = true;
                Ok(vec![Action::Copy])
            }
            Kind::Declined if !*ready => {
                self.activity = Activity::Idle;
                Ok(Vec::new())
            }
            Kind::Refused => Ok(self.take_back()),
            _ => Err(refuse(from, message, "it does not fit")),
        }
    }

    fn after_hand_over(&mut self, from: Site, message: Message) -> Result<Vec<Action>, Refusal> {
        let (standing, then) = match message.kind {
            Kind::Running => (
                Standing::Released {
                    relocation: message.relocation,
                    to: from,
                },
                Action::Release,
            ),
            Kind::Refused => (Standing::Mine { by: None }, Action::Resume),
            _ => return Err(refuse(from, message, "it does not fit")),
        };
        let mut actions = Vec::from(self.keep(self.record.epoch, standing));
        actions.push(then);
        Ok(actions)
    }

    /// What has become of a relocation that another site waits for.
    fn answer(&self, from: Site, message: Message) -> Vec<Action> {
        let handed_over = match &self.record.standing {
            Standing::HandedOver { relocation, to } | Standing::Released { relocation, to } => {
                (*relocation, to) == (message.relocation, &from)
            }
            _ => false,
        };
        let goes_on = matches!(&self.activity,
            Activity::Leaving { relocation, .. } if *relocation == message.relocation);
        let kind = match (handed_over, goes_on) {
            (true, _) => Kind::Commit,
            (false, true) => return Vec::new(),
            (false, false) => Kind::Abort,
        };
        vec![Action::Send(from, Message { kind, ..message })]
    }
}
