//! The half of custody at the site that a guest comes to.

use super::{Action, Activity, Custody, Kind, Message, Refusal, Standing, refuse};
use crate::site::Site;

impl Custody {
    pub(super) fn received_by_target(
        &mut self,
        from: Site,
        message: Message,
    ) -> Result<Vec<Action>, Refusal> {
        match message.kind {
            Kind::Offer => self.offered(from, message),
            Kind::Commit => self.committed(from, message),
            _ => self.aborted(from, message),
        }
    }

    fn offered(&mut self, from: Site, message: Message) -> Result<Vec<Action>, Refusal> {
        let why = match self.record.standing {
            Standing::Mine { .. } => Some("the guest is at this site"),
            Standing::HandedOver { .. } => Some("this site is handing it over"),
            Standing::Incoming { .. } => Some("it is on its way here by another relocation"),
            Standing::None | Standing::Released { .. } | Standing::Discarded { .. } => None,
        };
        let why = why.or_else(|| {
            (message.epoch <= self.record.epoch).then_some("a later attempt is known here")
        });
        if let Some(why) = why {
            let kind = Kind::Declined;
            let declined = Message { kind, ..message };
            return Ok(vec![Action::Decline(from, declined, why)]);
        }
        let standing = Standing::Incoming {
            relocation: message.relocation,
            from,
        };
        let mut actions = Vec::from(self.keep(message.epoch, standing));
        actions.push(Action::Prepare);
        self.activity = Activity::Arriving {
            prepared: false,
            loaded: false,
            committed: false,
        };
        Ok(actions)
    }

    /// Everything is ready to receive.
    pub(super) fn prepared(&mut self) -> Result<Vec<Action>, Refusal> {
        let (Standing::Incoming { relocation, from }, Activity::Arriving { prepared, .. }) =
            (self.record.standing.clone(), &mut self.activity)
        else {
            return Err(Refusal::Idle);
        };
        *prepared = true;
        Ok(vec![Action::Send(
            from,
            self.message(relocation, Kind::Ready),
        )])
    }

    /// The whole state is here.
    pub(super) fn loaded(&mut self) -> Result<Vec<Action>, Refusal> {
        let Activity::Arriving {
            prepared: true,
            loaded,
            ..
        } = &mut self.activity
        else {
            return Err(Refusal::Idle);
        };
        *loaded = true;
        Ok(self.accept())
    }

    fn committed(&mut self, from: Site, message: Message) -> Result<Vec<Action>, Refusal> {
        let answer = |kind| Message { kind, ..message };
        if message.epoch < self.record.epoch {
            // A later attempt: someone had the guest to make it, and the sender, who still waits,
            // had not. So it was taken here.
            return Ok(vec![Action::Send(from, answer(Kind::Running))]);
        }
        if message.epoch > self.record.epoch {
            // Never heard of, and from now on never taken.
            return self.decline(from, message);
        }
        match (&self.record.standing, &mut self.activity) {
            (Standing::Mine { by }, _) if *by == Some(message.relocation) => {
                Ok(vec![Action::Send(from, answer(Kind::Running))])
            }
            (
                Standing::Incoming {
                    relocation,
                    from: source,
                },
                Activity::Arriving { committed, .. },
            ) if (*relocation, source) == (message.relocation, &from) => {
                *committed = true;
                Ok(self.accept())
            }
            (
                Standing::Discarded {
                    relocation,
                    from: source,
                },
                _,
            ) if (*relocation, source) == (message.relocation, &from) => {
                Ok(vec![Action::Send(from, answer(Kind::Refused))])
            }
            _ => Err(refuse(from, message, "it is of another relocation")),
        }
    }

    /// Refuses a relocation that this site has not taken part in, for good.
    fn decline(&mut self, from: Site, message: Message) -> Result<Vec<Action>, Refusal> {
        match self.record.standing {
            Standing::None | Standing::Released { .. } | Standing::Discarded { .. } => {}
            Standing::Mine { .. } | Standing::HandedOver { .. } | Standing::Incoming { .. } => {
                return Err(refuse(
                    from,
                    message,
                    "the guest is here, or on its way here",
                ));
            }
        }
        let standing = Standing::Discarded {
            relocation: message.relocation,
            from: from.clone(),
        };
        let mut actions = Vec::from(self.keep(message.epoch, standing));
        actions.push(Action::Send(
            from,
            Message {
                kind: Kind::Refused,
                ..message
            },
        ));
        Ok(actions)
    }

    fn aborted(&mut self, from: Site, message: Message) -> Result<Vec<Action>, Refusal> {
        match (&self.record.standing, &self.activity) {
            (
                Standing::Incoming {
                    relocation,
                    from: source,
                },
                Activity::Arriving {
                    committed: false, ..
                },
            ) if (*relocation, source, self.record.epoch)
                == (message.relocation, &from, message.epoch) =>
            {
                Ok(self.give_up())
            }
            _ => Err(refuse(from, message, "nothing of it is on its way here")),
        }
    }

    /// Lets the guest run here, once both the whole state and the commit have come.
    fn accept(&mut self) -> Vec<Action> {
        let (
            Standing::Incoming { relocation, from },
            Activity::Arriving {
                loaded: true,
                committed: true,
                ..
            },
        ) = (self.record.standing.clone(), &self.activity)
        else {
            return Vec::new();
        };
        self.activity = Activity::Idle;
        let standing = Standing::Mine {
            by: Some(relocation),
        };
        let mut actions = Vec::from(self.keep(self.record.epoch, standing));
        actions.extend([
            Action::Resume,
            Action::Send(from, self.message(relocation, Kind::Running)),
        ]);
        actions
    }

    /// The guest will not come.
    pub(super) fn give_up(&mut self) -> Vec<Action> {
        let Standing::Incoming { relocation, from } = self.record.standing.clone() else {
            return Vec::new();
        };
        self.activity = Activity::Idle;
        let standing = Standing::Discarded {
            relocation,
            from: from.clone(),
        };
        let mut actions = Vec::from(self.keep(self.record.epoch, standing));
        actions.extend([
            Action::Discard,
            Action::Send(from, self.message(relocation, Kind::Refused)),
        ]);
        actions
    }
}
