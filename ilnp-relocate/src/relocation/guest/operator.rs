//! What operators ask for.

use std::time::Duration;

use ilnp_core::relocation::Instance;
use tokio::time::Instant;

use super::task::{Half, Leaving, Task};
use crate::channel::RelocationId;
use crate::config;
use crate::custody::{Action, Input, Standing};
use crate::hypervisor::HypervisorError;
use crate::qemu::possession::Examination;
use crate::relocation::job::Job;
use crate::relocation::leaving::{self, ABORTED};
use crate::relocation::plan::MoveOrder;
use crate::relocation::trial;
use crate::relocation::{Shared, hypervisors};
use crate::report::{Outcome, Recorder, Report};
use crate::site::Site;

/// A relocation that an earlier agent has handed over is not aborted any more.
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);

impl Task {
    /// Begins a move. Its recorder tells how it goes.
    pub(super) fn begin(&mut self, order: MoveOrder) -> Result<Recorder, String> {
        self.can_be_moved(&order)?;
        self.keep_prepared_only_for(&order);
        let relocation = RelocationId::random().map_err(|error| error.to_string())?;
        let site = self.shared.config().site.clone();
        let epoch = self.custody.record().epoch.saturating_add(1);
        let sites = (site, order.to.clone());
        let recorder = Recorder::new(relocation, &self.guest.name, sites, epoch, order.storage);
        self.keep_report(&recorder);
        let (shared, guest, asked) = (self.shared.clone(), self.guest.clone(), order.clone());
        self.job = Some(Job::start(|cancel| {
            leaving::describe(shared, guest, asked, cancel)
        }));
        self.leaving = Some(Leaving {
            relocation,
            to: order.to.clone(),
            recorder: recorder.clone(),
            description: None,
            examination: Examination::default(),
            ready: None,
            deadline: Instant::now() + order.timeout(),
            order,
            relays: None,
            reason: None,
        });
        Ok(recorder)
    }

    /// Whether a move may begin.
    pub(super) fn can_be_moved(&self, order: &MoveOrder) -> Result<(), String> {
        let config = self.shared.config();
        let (name, site) = (&self.guest.name, &config.site);
        if let Some(mistake) = order.mistake() {
            return Err(mistake.to_owned());
        }
        if order.to == *site {
            return Err(format!(
                "guest {name} is to be moved to the site that it leaves"
            ));
        }
        if config.peer(&order.to).is_none() {
            let known: Vec<_> = config.peers.iter().map(|peer| peer.site.as_str()).collect();
            return Err(format!(
                "site {} is not known here: this is {site}, and its peers are {}",
                order.to,
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            ));
        }
        if let Some(Leaving { relocation, to, .. }) = &self.leaving {
            return Err(format!(
                "guest {name} is being moved to site {to} already, by relocation {relocation}: \
                 wait for it, or abort it first"
            ));
        }
        self.nothing_is_tried()?;
        match &self.custody.record().standing {
            Standing::Mine { .. } if self.job.is_none() => Ok(()),
            Standing::Mine { .. } => Err(format!("guest {name} is busy")),
            Standing::None => Err(format!(
                "guest {name} is not at site {site}: it has never been started here"
            )),
            Standing::HandedOver { to, .. } => Err(format!(
                "guest {name} is being handed over to site {to}, which has not answered yet"
            )),
            Standing::Released { to, .. } => Err(format!(
                "guest {name} is not at site {site}: it went to site {to}"
            )),
            Standing::Incoming { from, .. } => {
                Err(format!("guest {name} is on its way here, from site {from}"))
            }
            Standing::Discarded { from, .. } => Err(format!(
                "guest {name} is not at site {site}: it was on its way here from site {from} and did not come"
            )),
        }
    }

    /// Gives up what can still be given up.
    pub(super) async fn abort(&mut self) -> Result<(), String> {
        if self.give_trying_up(ABORTED).await {
            return Ok(());
        }
        if let (Some(leaving), true) = (&mut self.leaving, self.custody.is_at_rest()) {
            // Nobody has heard of it yet.
            leaving.reason.get_or_insert_with(|| ABORTED.to_owned());
            self.stop_job().await;
            self.half = Half::None;
            return Ok(());
        }
        if self.custody.is_at_rest() && self.take_back_prepared() {
            return Ok(());
        }
        if let Some(leaving) = &mut self.leaving {
            leaving.reason.get_or_insert_with(|| ABORTED.to_owned());
        } else if let Some(arriving) = &mut self.arriving {
            arriving.reason.get_or_insert_with(|| ABORTED.to_owned());
        }
        let aborted = self.handle(Input::Fail).await;
        if aborted.is_err()
            && let Some(leaving) = &mut self.leaving
        {
            leaving.reason = None;
        }
        aborted
    }

    /// Starts the guest here.
    pub(super) async fn start(&mut self) -> Result<(), String> {
        if self.leaving.is_some() || !self.custody.is_at_rest() {
            return Err(format!("guest {} is being moved", self.guest.name));
        }
        self.nothing_is_tried()?;
        if self.custody.record().standing == Standing::None {
            nobody_has_it(&self.shared, &self.guest.name).await?;
            let actions = self
                .custody
                .clone()
                .take()
                .map_err(|refusal| refusal.to_string())?;
            self.begin_a_run(actions).await?;
            // It has been recorded.
            let _ = self.custody.take();
        } else if let Standing::Mine { .. } = self.custody.record().standing {
            does_not_run(&self.guest).await?;
            let again = vec![Action::Journal(self.custody.record().clone())];
            self.begin_a_run(again).await?;
        } else {
            let refusal = self.custody.clone().take().err();
            return Err(refusal.map_or_else(String::new, |refusal| refusal.to_string()));
        }
        let arrived = matches!(
            self.custody.record().standing,
            Standing::Mine { by: Some(_) }
        );
        let started = hypervisors::start(&self.guest, arrived).await;
        self.problem = started
            .as_ref()
            .err()
            .map(|error| format!("the guest belongs here and does not run: {error}"));
        started.map_err(|error| error.to_string())?;
        self.attend(false).await;
        Ok(())
    }

    /// A run of its own gets a name of its own, and is on record before it begins.
    async fn begin_a_run(&mut self, actions: Vec<Action>) -> Result<(), String> {
        let earlier = self.instance;
        let random = RelocationId::random().map_err(|error| error.to_string())?;
        self.instance = random.to_string().parse::<Instance>().ok();
        for action in actions {
            if let Action::Journal(record) = action
                && let Err(error) = self.record(&record).await
            {
                self.instance = earlier;
                return Err(ilnp_service::explain::explain(&error.into()));
            }
        }
        Ok(())
    }

    /// What an earlier agent has begun and not ended.
    pub(super) fn take_reports_up(&mut self) {
        let reports = match self.shared.shelf.reports() {
            Ok(reports) => reports,
            Err(error) => {
                return tracing::warn!("{}", ilnp_service::explain::explain(&error.into()));
            }
        };
        let open = reports
            .into_iter()
            .filter(|report| report.guest == self.guest.name && report.outcome.is_none());
        for report in open {
            let on_record = match &self.custody.record().standing {
                Standing::HandedOver { relocation, .. } => {
                    (*relocation == report.relocation).then_some(None)
                }
                Standing::Released { relocation, .. } => {
                    (*relocation == report.relocation).then_some(Some(Outcome::Moved))
                }
                _ => None,
            };
            match on_record {
                Some(None) => self.leaving = Some(taken_up(report)),
                Some(Some(outcome)) => self.close_old(report, outcome),
                None => self.close_old(report, Outcome::Failed),
            }
        }
    }

    fn close_old(&self, report: Report, outcome: Outcome) {
        let recorder = Recorder::take_up(report);
        let reason = "the agent was restarted".to_owned();
        recorder.ended(outcome, Some(reason));
        self.keep_report(&recorder);
    }

    pub(super) fn close_report(
        &self,
        recorder: &Recorder,
        outcome: Outcome,
        reason: Option<String>,
    ) {
        recorder.ended(outcome, reason);
        self.keep_report(recorder);
    }

    pub(super) fn keep_report(&self, recorder: &Recorder) {
        if let Err(error) = self.shared.shelf.keep(&recorder.report()) {
            tracing::warn!("{}", ilnp_service::explain::explain(&error.into()));
        }
    }
}

/// A relocation that an earlier agent has handed over.
fn taken_up(report: Report) -> Leaving {
    let order = MoveOrder::to(report.to.clone());
    Leaving {
        relocation: report.relocation,
        to: report.to.clone(),
        order,
        recorder: Recorder::take_up(report),
        description: None,
        examination: Examination::default(),
        ready: None,
        deadline: Instant::now() + NEVER,
        relays: None,
        reason: None,
    }
}

async fn does_not_run(guest: &config::Guest) -> Result<(), String> {
    match hypervisors::source(guest).await {
        Ok(_) => Err(format!("guest {} runs already", guest.name)),
        Err(HypervisorError::Gone { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Every other site says that it has never had the guest.
async fn nobody_has_it(shared: &Shared, name: &str) -> Result<(), String> {
    let config = shared.config();
    let asked = config.peers.iter().map(|peer| async move {
        let connection = shared.connect(&peer.site).await?;
        trial::standing(&connection, name).await
    });
    let answers = futures_util::future::join_all(asked).await;
    for (peer, answer) in config.peers.iter().zip(answers) {
        match answer {
            Ok(Standing::None) => {}
            Ok(standing) => {
                return Err(format!(
                    "guest {name} is not new: site {} {}",
                    peer.site,
                    says(&standing)
                ));
            }
            Err(reason) => {
                return Err(format!(
                    "it is not certain that guest {name} is new, for site {} cannot be asked whether it has it: {reason}",
                    peer.site
                ));
            }
        }
    }
    Ok(())
}

/// What another site says about a guest, for people.
fn says(standing: &Standing) -> String {
    let to = |site: &Site| format!("handed it over to site {site}");
    match standing {
        Standing::None => "has never had it".to_owned(),
        Standing::Mine { .. } => "has it".to_owned(),
        Standing::HandedOver { to: site, .. } | Standing::Released { to: site, .. } => to(site),
        Standing::Incoming { from, .. } | Standing::Discarded { from, .. } => {
            format!("was offered it by site {from}")
        }
    }
}
