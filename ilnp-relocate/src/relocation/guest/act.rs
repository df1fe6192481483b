//! Carries out what custody decides.

use std::collections::VecDeque;
use std::time::Duration;

use ilnp_core::relocation::{Hello, Resumed};
use tokio::time::sleep;

use super::task::{Half, Leaving, Task};
use crate::custody::{Action, Kind, Message, Record, Standing};
use crate::hypervisor::HypervisorError;
use crate::journal::{Entry, JournalError};
use crate::relocation::connections::Link;
use crate::relocation::job::{Ended, Job};
use crate::relocation::leaving::{self, Copy, Sockets, Telling};
use crate::relocation::orders::{Details, Network, Offered, Readiness, Say};
use crate::relocation::plan::Mode;
use crate::relocation::port::{self, First, Port};
use crate::relocation::{arriving, hypervisors};
use crate::report::Phase;
use crate::site::Site;

/// How often what must be done is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a hypervisor is asked to let a guest run before an operator is.
const TRIES: u32 = 3;

impl Task {
    /// Carries actions out, one after the other.
    ///
    /// # Errors
    /// When the first of them could not be recorded and nothing has been decided by it.
    pub(super) async fn carry_out(&mut self, actions: Vec<Action>) -> Result<(), String> {
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Journal(record) => {
                    if let Err(error) = self.record(&record).await {
                        self.not_recorded(record, error, &mut actions).await?;
                    }
                }
                Action::Send(to, message) => {
                    let outgoing = self.outgoing(&to, message, None);
                    say(&self.guest.name, outgoing).await;
                }
                Action::Decline(to, message, why) => {
                    let outgoing = self.outgoing(&to, message, Some(why));
                    say(&self.guest.name, outgoing).await;
                }
                Action::Prepare => self.prepare(),
                Action::Copy => self.copy(),
                Action::Resume => self.resume().await,
                Action::Release => self.release().await,
                Action::Discard => self.discard().await,
            }
        }
        Ok(())
    }

    /// Makes a record durable.
    pub(super) async fn record(&mut self, record: &Record) -> Result<(), JournalError> {
        if let (Standing::Incoming { .. }, Some(arriving)) = (&record.standing, &self.arriving) {
            self.instance = arriving.offered.instance;
        }
        let entry = Entry::new(&self.guest.name, self.instance, record.clone());
        self.shared.journal.write(&entry)?;
        self.view.send_replace(Some(record.clone()));
        if let (Standing::HandedOver { .. }, Some(leaving)) = (&record.standing, &self.leaving) {
            self.keep_report(&leaving.recorder);
        }
        Ok(())
    }

    /// A record could not be made durable. Before anything was decided, that is a refusal; a
    /// hand-over is undone; anything else must be recorded before anything is done.
    async fn not_recorded(
        &mut self,
        record: Record,
        error: JournalError,
        actions: &mut VecDeque<Action>,
    ) -> Result<(), String> {
        let error = ilnp_service::explain::explain(&error.into());
        let is_offer = matches!(actions.front(),
            Some(Action::Send(_, message)) if message.kind == Kind::Offer);
        match record.standing {
            Standing::Mine { .. } if is_offer => return Err(error),
            Standing::Incoming {
                relocation,
                ref from,
            } => {
                let message = Message {
                    relocation,
                    epoch: record.epoch,
                    kind: Kind::Declined,
                };
                let say = Say::Custody {
                    message,
                    details: Details::reason(&error),
                };
                if let Some(link) = self.links.get(from) {
                    link.say(&self.guest.name, say).await;
                }
                return Err(error);
            }
            Standing::HandedOver { .. } => {
                if let Some(leaving) = &mut self.leaving {
                    leaving.reason.get_or_insert_with(|| error.clone());
                }
                let undone = self.custody.hand_over_not_recorded();
                actions.clear();
                actions.extend(undone.unwrap_or_default());
            }
            _ => {
                tracing::error!(guest = self.guest.name, "{error}");
                sleep(AGAIN).await;
                actions.push_front(Action::Journal(record));
            }
        }
        self.problem = Some(error);
        Ok(())
    }

    /// What is to be sent, and where; nothing while there is no connection: it will be asked for
    /// again.
    fn outgoing(
        &self,
        to: &Site,
        message: Message,
        why: Option<&'static str>,
    ) -> Option<(Link, Say)> {
        let link = self.links.get(to)?.clone();
        let details = self.details(&message, why);
        Some((link, Say::Custody { message, details }))
    }

    /// What goes with an order.
    fn details(&self, message: &Message, why: Option<&'static str>) -> Details {
        let reason = || {
            let leaving = self
                .leaving
                .as_ref()
                .and_then(|leaving| leaving.reason.as_deref());
            let arriving = self
                .arriving
                .as_ref()
                .and_then(|arriving| arriving.reason.as_deref());
            why.or(leaving).or(arriving)
        };
        match message.kind {
            Kind::Offer => {
                let offered = self.leaving.as_ref().and_then(|leaving| {
                    Some(Box::new(Offered {
                        description: leaving.description.clone()?,
                        plan: leaving.order.plan(),
                        instance: self.instance,
                        challenges: leaving.examination.challenges(),
                    }))
                });
                offered.map_or(Details::None, Details::Offered)
            }
            Kind::Ready => Details::Ready(Box::new(Readiness {
                network: self.shared.network(),
                proofs: self
                    .arriving
                    .as_ref()
                    .map_or_else(Vec::new, |arriving| arriving.proofs.clone()),
            })),
            Kind::Declined | Kind::Refused | Kind::Abort => {
                reason().map_or(Details::None, Details::reason)
            }
            Kind::Commit | Kind::Running | Kind::Ask => Details::None,
        }
    }

    fn prepare(&mut self) {
        let (Some(arriving), Ok(target)) = (&self.arriving, hypervisors::target(&self.guest))
        else {
            return self.fail("the guest was offered without saying what it is".to_owned());
        };
        let (offered, run_dir) = (
            arriving.offered.clone(),
            self.shared.config().run_dir.clone(),
        );
        self.job = Some(Job::start(|cancel| {
            arriving::prepare(target, offered, run_dir, cancel)
        }));
    }

    fn copy(&mut self) {
        if let Some(leaving) = &self.leaving
            && let Err(reason) = leaving.examine()
        {
            return self.fail(reason);
        }
        let half = std::mem::replace(&mut self.half, Half::None);
        let (Half::Source(source), Some(leaving)) = (half, &self.leaving) else {
            return self.fail("the agent has lost the hypervisor".to_owned());
        };
        let (Some(link), Some(description)) =
            (self.links.get(&leaving.to), leaving.description.clone())
        else {
            self.half = Half::Source(source);
            return self.fail("the connection was lost".to_owned());
        };
        let copy = Copy {
            relocation: leaving.relocation,
            source,
            sockets: Sockets::new(&self.shared, &description),
            plan: leaving.order.plan(),
            connection: link.connection.clone(),
            recorder: leaving.recorder.clone(),
            told: Telling {
                port: self.port.clone(),
                mode: leaving.order.mode,
                prepare: leaving
                    .network()
                    .map(|network| network.prepare(self.custody.record().epoch, &leaving.to)),
            },
        };
        self.job = Some(Job::start(|cancel| leaving::copy(copy, cancel)));
    }

    /// Cuts the job short, and keeps what is left of it.
    pub(super) async fn stop_job(&mut self) {
        let Some(job) = self.job.take() else {
            return;
        };
        match job.stop().await {
            Ended::Described(Ok(described)) => self.half = Half::Source(described.source),
            Ended::Described(Err(_)) | Ended::Tried(_) | Ended::Told(_) | Ended::Lost(_) => {}
            Ended::Copied(source, _) => self.half = Half::Source(source),
            Ended::Prepared(target, _) | Ended::Loaded(target, _) => {
                self.half = Half::Target(target);
            }
        }
    }

    /// Lets the guest run here.
    async fn resume(&mut self) {
        if let Some(leaving) = &self.leaving {
            leaving.recorder.phase(Phase::TakeBack);
        }
        self.stop_job().await;
        let arrived = matches!(self.half, Half::Target(_));
        for attempt in 1..=TRIES {
            match self.try_to_resume().await {
                Ok(()) => {
                    self.problem = None;
                    self.attend(arrived).await;
                    break;
                }
                Err(error) => {
                    tracing::error!(guest = self.guest.name, attempt, "{error}");
                    self.problem =
                        Some(format!("the guest belongs here and does not run: {error}"));
                    if let HypervisorError::Gone { .. } = error {
                        break;
                    }
                    sleep(AGAIN).await;
                }
            }
        }
        self.half = Half::None;
    }

    /// Speaks with the daemon in the guest, which runs here now.
    pub(super) async fn attend(&mut self, arrived: bool) {
        let epoch = self.custody.record().epoch;
        if let (Some(port), Some(leaving)) = (&self.port, &self.leaving) {
            // It is where it was, and may have been told otherwise.
            if leaving.network().is_some() && leaving.order.mode != Mode::Hard {
                port.cancel(epoch);
            }
            return;
        }
        self.port = None;
        // The first that the daemon hears is that nothing is prepared.
        self.prepared = None;
        let (Some(path), Some(instance)) = (hypervisors::port(&self.guest).await, self.instance)
        else {
            return;
        };
        let site = self.shared.config().site.to_string();
        let first = if arrived {
            First::Resumed(Resumed {
                epoch,
                site,
                instance,
            })
        } else {
            First::Hello(Hello {
                site,
                epoch,
                instance,
            })
        };
        self.port = Some(Port::attend(path, first, self.own.clone()));
    }

    async fn try_to_resume(&mut self) -> Result<(), HypervisorError> {
        match &mut self.half {
            Half::Source(source) => return source.resume().await,
            Half::Target(target) => return target.resume().await,
            Half::None => {}
        }
        // It may have arrived for an agent that has ended since.
        let arrived = matches!(
            self.custody.record().standing,
            Standing::Mine { by: Some(_) }
        );
        if arrived && let Ok(mut target) = hypervisors::arrived(&self.guest).await {
            // Fails where it is no arrival that was interrupted.
            let _ = target.resume().await;
        }
        // It may have run here for long, and been about to leave.
        hypervisors::source(&self.guest).await?.resume().await
    }

    /// Ends what is left of a guest that runs elsewhere.
    async fn release(&mut self) {
        self.stop_job().await;
        self.port = None;
        let half = std::mem::replace(&mut self.half, Half::None);
        let released = match half {
            Half::Source(mut source) => {
                if let Some(leaving) = &self.leaving {
                    leaving.recorder.downtime(source.downtime().await);
                }
                source.release().await
            }
            Half::Target(_) | Half::None => match hypervisors::source(&self.guest).await {
                Ok(mut source) => source.release().await,
                Err(HypervisorError::Gone { .. }) => Ok(()),
                Err(error) => Err(error),
            },
        };
        if released.is_err()
            && let Standing::Released { to, .. } = &self.custody.record().standing
            && let Some(path) = hypervisors::port(&self.guest).await
        {
            let reason = format!("the guest runs at site {to} now");
            tokio::spawn(port::fence(path, self.custody.record().epoch, reason));
        }
        self.look_at("what is left of the guest here cannot be ended", released);
    }

    /// Throws away what has arrived.
    async fn discard(&mut self) {
        self.stop_job().await;
        let half = std::mem::replace(&mut self.half, Half::None);
        let discarded = match half {
            Half::Target(mut target) => target.discard().await,
            Half::Source(_) | Half::None => match hypervisors::arrived(&self.guest).await {
                Ok(mut target) => target.discard().await,
                Err(error) => Err(error),
            },
        };
        self.look_at(
            "what has arrived of the guest cannot be discarded",
            discarded,
        );
    }

    fn look_at(&mut self, what: &str, result: Result<(), HypervisorError>) {
        self.problem = result.err().map(|error| {
            tracing::error!(guest = self.guest.name, "{what}: {error}");
            format!("{what}: {error}")
        });
    }
}

impl Leaving {
    /// What the guest will find at the target, where that says it.
    fn network(&self) -> Option<Network> {
        self.ready.as_ref()?.network.clone()
    }

    /// Whether the target has shown that it has the base images that it says it has.
    fn examine(&self) -> Result<(), String> {
        let proofs = self.ready.as_ref().map(|ready| &*ready.proofs);
        self.examination.check(&self.to, proofs.unwrap_or_default())
    }
}

async fn say(guest: &str, outgoing: Option<(Link, Say)>) {
    if let Some((link, say)) = outgoing {
        link.say(guest, say).await;
    }
}
