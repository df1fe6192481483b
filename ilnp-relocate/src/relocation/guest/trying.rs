//! A trial, and what a guest is told before a move that nobody has begun: jobs beside the guest's task,
//! for the other site may take its time.

use std::sync::Arc;

use ilnp_core::relocation::{Instance, Prepare};
use tokio_util::sync::CancellationToken;

use super::prepared::Preparation;
use super::task::{Task, reply};
use super::{Answer, Shared};
use crate::config;
use crate::relocation::job::{Described, Ended, Job, Tried};
use crate::relocation::leaving::{self, ABORTED, NO_NETWORK, NO_PORT, cannot_be_told};
use crate::relocation::orders::Offered;
use crate::relocation::plan::MoveOrder;
use crate::relocation::port::Port;
use crate::relocation::trial::{self, Trial};
use crate::site::Site;

/// What is tried, and who waits for it.
pub(super) enum Trying {
    /// Could it be moved?
    Trial(Answer<Trial>),
    /// The same, before it is told.
    Prepare(MoveOrder, Answer<Preparation>),
    /// It is being told.
    Tell(Telling),
}

/// A guest that is being told.
pub(super) struct Telling {
    to: Site,
    trial: Trial,
    epoch: u64,
    answer: Answer<Preparation>,
}

impl Trying {
    fn refuse(self, reason: String) {
        match self {
            Self::Trial(answer) => reply(answer, Err(reason)),
            Self::Prepare(_, answer) | Self::Tell(Telling { answer, .. }) => {
                reply(answer, Err(reason));
            }
        }
    }
}

impl Task {
    /// Runs all checks at both sites.
    pub(super) fn try_move(&mut self, order: MoveOrder, answer: Answer<Trial>) {
        match self.can_be_moved(&order) {
            Ok(()) => self.begin_trying(order, Trying::Trial(answer)),
            Err(refusal) => reply(answer, Err(refusal)),
        }
    }

    /// Runs all checks at both sites, and tells the guest where it will be. Takes the place of what
    /// was prepared before; a guest that does not answer is told that it stays, whatever was.
    pub(super) fn prepare_for(&mut self, order: MoveOrder, answer: Answer<Preparation>) {
        let possible = self.can_be_moved(&order).and_then(|()| match self.port {
            Some(_) => Ok(()),
            None => Err(cannot_be_told(NO_PORT)),
        });
        match possible {
            Ok(()) => self.begin_trying(order.clone(), Trying::Prepare(order, answer)),
            Err(refusal) => reply(answer, Err(refusal)),
        }
    }

    /// Refuses what would speak with the hypervisor, too.
    pub(super) fn nothing_is_tried(&self) -> Result<(), String> {
        if self.trying.is_none() {
            return Ok(());
        }
        Err(format!(
            "a move of guest {} is being tried or prepared: wait for it, or abort it first",
            self.guest.name
        ))
    }

    fn begin_trying(&mut self, order: MoveOrder, trying: Trying) {
        let (shared, guest) = (self.shared.clone(), self.guest.clone());
        let instance = self.instance;
        self.job = Some(Job::start(|cancel| {
            run(shared, guest, instance, order, cancel)
        }));
        self.trying = Some(trying);
    }

    /// The sites have answered.
    pub(super) async fn tried(&mut self, result: Result<Box<Tried>, String>) {
        match self.trying.take() {
            Some(Trying::Trial(answer)) => reply(answer, result.map(|tried| tried.trial)),
            Some(Trying::Prepare(order, answer)) => match self.number_for(&order, result).await {
                Ok((port, prepare, trial)) => {
                    // What the guest knows now is replaced as soon as it hears of this.
                    self.prepared = None;
                    self.trying = Some(Trying::Tell(Telling {
                        to: order.to,
                        trial,
                        epoch: prepare.epoch,
                        answer,
                    }));
                    self.job = Some(Job::start(|cancel| tell(port, prepare, cancel)));
                }
                Err(refusal) => reply(answer, Err(refusal)),
            },
            // Nobody waits for it any more.
            Some(Trying::Tell(_)) | None => {}
        }
    }

    /// What the guest is to be told, under a number that is on record before it hears of it.
    async fn number_for(
        &mut self,
        order: &MoveOrder,
        result: Result<Box<Tried>, String>,
    ) -> Result<(Port, Prepare, Trial), String> {
        let Tried { trial, network } = *result?;
        let port = self.port.clone().ok_or_else(|| cannot_be_told(NO_PORT))?;
        let network = network.ok_or_else(|| cannot_be_told(NO_NETWORK))?;
        let epoch = self.take_number().await?;
        Ok((port, network.prepare(epoch, &order.to), trial))
    }

    /// The guest has answered.
    pub(super) fn guest_told(&mut self, result: Result<usize, String>) {
        let Some(Trying::Tell(telling)) = self.trying.take() else {
            return;
        };
        let Telling {
            to,
            trial,
            epoch,
            answer,
        } = telling;
        let prepared = result.map(|correspondents| {
            let holds_s = self.is_prepared(to, epoch);
            Preparation {
                trial,
                epoch,
                correspondents,
                holds_s,
            }
        });
        reply(answer, prepared.map_err(|reason| cannot_be_told(&reason)));
    }

    /// What is tried comes to nothing. Returns whether anything was.
    pub(super) async fn give_trying_up(&mut self, reason: &str) -> bool {
        let Some(trying) = self.trying.take() else {
            return false;
        };
        self.stop_job().await;
        if let (Trying::Tell(telling), Some(port)) = (&trying, &self.port) {
            // It may have heard it.
            port.cancel(telling.epoch);
        }
        trying.refuse(reason.to_owned());
        true
    }
}

/// Everything but the move.
async fn run(
    shared: Arc<Shared>,
    guest: config::Guest,
    instance: Option<Instance>,
    order: MoveOrder,
    cancel: CancellationToken,
) -> Ended {
    Ended::Tried(tokio::select! {
        tried = ask(&shared, &guest, instance, &order) => tried.map(Box::new),
        () = cancel.cancelled() => Err(ABORTED.to_owned()),
    })
}

async fn ask(
    shared: &Shared,
    guest: &config::Guest,
    instance: Option<Instance>,
    order: &MoveOrder,
) -> Result<Tried, String> {
    let Described {
        source,
        description,
        examination,
        connection,
    } = leaving::find_out(shared, guest, order).await?;
    // Only one can speak with the hypervisor, and the other site may take its time.
    drop(source);
    let offered = Offered {
        description: description.clone(),
        plan: order.plan(),
        instance,
        challenges: examination.challenges(),
    };
    let (round_trip, ready) = trial::ask(&connection, &guest.name, offered).await?;
    examination.check(&order.to, &ready.proofs)?;
    let sites = (shared.config().site.clone(), order.to.clone());
    Ok(Tried {
        trial: Trial::new(sites, &description, order, round_trip),
        network: ready.network,
    })
}

async fn tell(port: Port, prepare: Prepare, cancel: CancellationToken) -> Ended {
    Ended::Told(tokio::select! {
        told = port.prepare(prepare) => told.map_err(|error| error.to_string()),
        () = cancel.cancelled() => Err(ABORTED.to_owned()),
    })
}
