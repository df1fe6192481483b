//! The state of a guest's task, and its loop.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ilnp_core::relocation::Instance;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::Request;
use super::prepared::Standby;
use super::trying::Trying;
use crate::channel::{Connection, RelayError, RelocationId};
use crate::config;
use crate::custody::{Action, Custody, Input, Kind, Record, Standing};
use crate::hypervisor::{Description, Source, Target};
use crate::journal::Entry;
use crate::qemu::possession::{Examination, Proof};
use crate::relocation::arriving::{self, Load};
use crate::relocation::connections::{self, Heard, Link};
use crate::relocation::job::{CopyDone, Described, Ended, Job, Relays};
use crate::relocation::orders::{Details, Offered, Readiness, Say};
use crate::relocation::plan::MoveOrder;
use crate::relocation::port::Port;
use crate::relocation::{Shared, hypervisors};
use crate::report::{Outcome, Phase, Recorder};
use crate::site::Site;

/// How often another site is dialled, or told again, that an answer is needed from.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a guest's correspondents and name servers may take until it is of no interest any more.
const AFTERWARDS: Duration = Duration::from_secs(60);

/// The task of one guest.
pub(super) struct Task {
    pub(super) shared: Arc<Shared>,
    pub(super) guest: config::Guest,
    pub(super) custody: Custody,
    pub(super) instance: Option<Instance>,
    /// What custody wants done at the start.
    beginning: Vec<Action>,
    pub(super) half: Half,
    pub(super) job: Option<Job>,
    pub(super) links: BTreeMap<Site, Link>,
    /// Connections that another one has taken the place of. They stay until the guest is settled, for
    /// the other site may still use them.
    replaced: Vec<Link>,
    pub(super) leaving: Option<Leaving>,
    pub(super) arriving: Option<Arriving>,
    /// Where the guest came from last.
    came_from: Option<Site>,
    /// What actions led to, and custody has yet to hear of.
    pub(super) inputs: VecDeque<Input>,
    /// What an operator has to look after.
    pub(super) problem: Option<String>,
    pub(super) view: watch::Sender<Option<Record>>,
    requests: mpsc::Receiver<Request>,
    pub(super) own: mpsc::WeakSender<Request>,
    /// The daemon in the guest, while it is here.
    pub(super) port: Option<Port>,
    /// A trial that goes on, as the job.
    pub(super) trying: Option<Trying>,
    /// What the daemon in the guest knows of a move that has not begun.
    pub(super) prepared: Option<Standby>,
    /// The last relocation away, of which the guest may still tell something.
    afterwards: Option<Afterwards>,
    dialling: bool,
}

/// The half of the hypervisor that this agent speaks with. Only one can at a time.
pub(super) enum Half {
    None,
    Source(Box<dyn Source>),
    Target(Box<dyn Target>),
}

/// A relocation away from this site.
pub(super) struct Leaving {
    pub(super) relocation: RelocationId,
    pub(super) to: Site,
    pub(super) order: MoveOrder,
    pub(super) recorder: Recorder,
    pub(super) description: Option<Description>,
    /// What the target is asked about its base images, and the right answers.
    pub(super) examination: Examination,
    /// What the target says once it is ready.
    pub(super) ready: Option<Box<Readiness>>,
    pub(super) deadline: Instant,
    /// Streams that still carry the last octets.
    pub(super) relays: Option<JoinSet<RelayError>>,
    /// Why it fails.
    pub(super) reason: Option<String>,
}

/// A relocation that is over, and may still be told of.
struct Afterwards {
    to: Site,
    recorder: Recorder,
    until: Instant,
}

/// A relocation to this site.
pub(super) struct Arriving {
    pub(super) relocation: RelocationId,
    pub(super) offered: Box<Offered>,
    pub(super) connection: Connection,
    /// What was read from the base images here for the source.
    pub(super) proofs: Vec<Proof>,
    /// Streams that may still be open.
    pub(super) relays: Option<Relays>,
    /// Why it fails.
    pub(super) reason: Option<String>,
}

impl Task {
    pub(super) fn new(
        shared: Arc<Shared>,
        guest: config::Guest,
        entry: Option<Entry>,
        view: watch::Sender<Option<Record>>,
        (own, requests): (mpsc::WeakSender<Request>, mpsc::Receiver<Request>),
    ) -> Self {
        let instance = entry.as_ref().and_then(|entry| entry.instance);
        let record = entry.map(|entry| entry.record).unwrap_or_default();
        let (custody, beginning) = Custody::restore(record);
        Self {
            shared,
            guest,
            custody,
            instance,
            beginning,
            half: Half::None,
            job: None,
            links: BTreeMap::new(),
            replaced: Vec::new(),
            leaving: None,
            arriving: None,
            came_from: None,
            inputs: VecDeque::new(),
            problem: None,
            view,
            requests,
            own,
            port: None,
            trying: None,
            prepared: None,
            afterwards: None,
            dialling: false,
        }
    }

    pub(super) async fn run(mut self) {
        self.take_reports_up();
        let beginning = std::mem::take(&mut self.beginning);
        self.problem = self
            .carry_out(beginning)
            .await
            .err()
            .or_else(|| self.problem.take());
        let mut again = interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while let Some(input) = self.inputs.pop_front() {
                if let Err(refusal) = self.handle(input).await {
                    tracing::debug!(guest = self.guest.name, "{refusal}");
                }
            }
            self.settle();
            let deadline = self.deadline();
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(request) => self.request(request).await,
                    None => return,
                },
                ended = ended(&mut self.job) => {
                    self.job = None;
                    self.ended(ended).await;
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.fail("it took longer than the timeout allows".to_owned());
                }
                _ = again.tick() => self.again().await,
            }
        }
    }

    /// Lets custody decide, and carries the decision out.
    pub(super) async fn handle(&mut self, input: Input) -> Result<(), String> {
        let before = self.custody.clone();
        let actions = self
            .custody
            .handle(input)
            .map_err(|refusal| refusal.to_string())?;
        if let Err(reason) = self.carry_out(actions).await {
            // Nothing was decided yet.
            self.custody = before;
            return Err(reason);
        }
        Ok(())
    }

    /// The relocation that goes on fails.
    pub(super) fn fail(&mut self, reason: String) {
        if let Some(leaving) = &mut self.leaving {
            leaving.reason.get_or_insert(reason);
        } else if let Some(arriving) = &mut self.arriving {
            arriving.reason.get_or_insert(reason);
        }
        self.inputs.push_back(Input::Fail);
    }

    /// When the relocation that goes on must have been handed over.
    fn deadline(&self) -> Option<Instant> {
        let copying = matches!(self.custody.record().standing, Standing::Mine { .. });
        let leaving = self.leaving.as_ref().filter(|_| copying)?;
        leaving.reason.is_none().then_some(leaving.deadline)
    }

    async fn request(&mut self, request: Request) {
        match request {
            Request::Start(answer) => reply(answer, self.start().await),
            Request::Move(order, answer) => reply(answer, self.begin(order)),
            Request::Try(order, answer) => self.try_move(order, answer),
            Request::Prepare(order, answer) => self.prepare_for(order, answer),
            Request::Abort(answer) => reply(answer, self.abort().await),
            Request::Status(answer) => {
                let mut status = self.status();
                if status.running == Some(true) {
                    status.running = Some(hypervisors::source(&self.guest).await.is_ok());
                }
                reply(answer, Ok(status));
            }
            Request::Configure(guest) => self.guest = *guest,
            Request::Heard(link, heard) => self.heard(link, heard).await,
            Request::Told(told) => {
                if let Some(link) = self.came_over() {
                    link.say(&self.guest.name, Say::Told(told)).await;
                }
            }
            Request::Lost(link, reason) => self.lost(&link, reason),
            Request::Dialled(result) => self.dialled(result),
        }
    }

    async fn heard(&mut self, link: Link, heard: Heard) {
        let from = link.peer().clone();
        match heard {
            Heard::Custody(message, details) => {
                self.use_link(&link);
                self.take_details(&link, message.relocation, details);
                if let Err(refusal) = self.handle(Input::Received(from, message)).await {
                    tracing::warn!(guest = self.guest.name, "{refusal}");
                }
                if message.kind == Kind::Offer
                    && !matches!(self.custody.record().standing, Standing::Incoming { .. })
                {
                    self.arriving = None;
                }
            }
            Heard::Told(told) => {
                if let Some(afterwards) = &self.afterwards
                    && afterwards.to == from
                {
                    afterwards.recorder.told(told);
                    self.keep_report(&afterwards.recorder);
                }
            }
        }
    }

    /// Remembers what came with an order.
    fn take_details(&mut self, link: &Link, relocation: RelocationId, details: Details) {
        match details {
            Details::None => {}
            Details::Offered(offered) => {
                if self.arriving.is_none() {
                    self.arriving = Some(Arriving {
                        relocation,
                        offered,
                        connection: link.connection.clone(),
                        proofs: Vec::new(),
                        relays: None,
                        reason: None,
                    });
                }
            }
            Details::Ready(ready) => {
                if let Some(leaving) = &mut self.leaving
                    && leaving.relocation == relocation
                {
                    leaving.ready = Some(ready);
                }
            }
            Details::Reason(reason) => {
                let reason = format!("site {} says: {reason}", link.peer());
                if let Some(leaving) = &mut self.leaving
                    && leaving.relocation == relocation
                {
                    leaving.reason.get_or_insert(reason);
                } else if let Some(arriving) = &mut self.arriving
                    && arriving.relocation == relocation
                {
                    arriving.reason.get_or_insert(reason);
                }
            }
        }
    }

    /// The connection that the guest came over, while it stands.
    fn came_over(&self) -> Option<Link> {
        let site = self.came_from.as_ref()?;
        self.links.get(site).cloned()
    }

    fn lost(&mut self, link: &Link, reason: String) {
        self.replaced
            .retain(|replaced| replaced.number != link.number);
        let site = link.peer();
        let current = self.links.get(site);
        if current.is_none_or(|current| current.number != link.number) {
            return;
        }
        self.links.remove(site);
        if let Some(leaving) = &mut self.leaving
            && leaving.to == *site
        {
            match self.custody.record().standing {
                Standing::Mine { .. } => self.fail(reason),
                _ => leaving.recorder.waiting(reason),
            }
        }
    }

    /// Asks the other site again that decides what becomes of the guest.
    async fn again(&mut self) {
        self.end_prepared();
        if let Some(over) = self
            .afterwards
            .take_if(|over| over.until < Instant::now())
            .filter(|_| self.leaving.is_none())
        {
            // What the guest tells of its move back goes the same way.
            if self.came_from.as_ref() != Some(&over.to) {
                self.replaced.extend(self.links.remove(&over.to));
            }
        }
        let Some(site) = self.custody.waits_for().cloned() else {
            if self.leaving.is_none() && self.arriving.is_none() {
                self.replaced.drain(..).for_each(Link::close);
            }
            return;
        };
        match self.links.get(&site) {
            None if !self.dialling => self.dial(site),
            None => {}
            Some(_) if matches!(self.custody.record().standing, Standing::HandedOver { .. }) => {
                self.inputs.push_back(Input::Reconcile);
            }
            Some(_) => {}
        }
    }

    fn dial(&mut self, site: Site) {
        let (shared, own) = (self.shared.clone(), self.own.clone());
        self.dialling = true;
        tokio::spawn(async move {
            let result = shared.connect(&site).await;
            if let Some(own) = own.upgrade() {
                // The task ends with the agent.
                let _ = own.send(Request::Dialled(result)).await;
            }
        });
    }

    fn dialled(&mut self, result: Result<Connection, String>) {
        self.dialling = false;
        match result {
            Ok(connection) => {
                self.link(connection);
                self.inputs.push_back(Input::Reconcile);
            }
            Err(reason) => {
                tracing::warn!(guest = self.guest.name, "{reason}");
                if let Some(leaving) = &self.leaving {
                    leaving.recorder.waiting(reason);
                }
            }
        }
    }

    /// Uses a connection that this site has dialled.
    pub(super) fn link(&mut self, connection: Connection) {
        let link = Link::new(connection);
        self.use_link(&link);
        let (shared, guest) = (self.shared.clone(), self.guest.name.clone());
        tokio::spawn(connections::read(shared, link, Some(guest)));
    }

    /// Speaks with a site by this connection from now on.
    fn use_link(&mut self, link: &Link) {
        let before = self.links.insert(link.peer().clone(), link.clone());
        self.replaced
            .extend(before.filter(|before| before.number != link.number));
    }

    async fn ended(&mut self, ended: Ended) {
        match ended {
            Ended::Described(Ok(described)) => self.offer(described).await,
            Ended::Described(Err(reason)) => {
                if let Some(leaving) = &mut self.leaving {
                    leaving.reason.get_or_insert(reason);
                }
            }
            Ended::Copied(source, result) => {
                self.half = Half::Source(source);
                match result {
                    Ok(done) => self.copied(done),
                    Err(reason) => self.fail(reason),
                }
            }
            Ended::Prepared(target, Ok(proofs)) => self.prepared(target, proofs),
            Ended::Loaded(target, Ok(relays)) => {
                self.half = Half::Target(target);
                if let Some(arriving) = &mut self.arriving {
                    arriving.relays = Some(relays);
                }
                self.inputs.push_back(Input::Loaded);
            }
            Ended::Prepared(target, Err(reason)) | Ended::Loaded(target, Err(reason)) => {
                self.half = Half::Target(target);
                self.fail(reason);
            }
            Ended::Tried(result) => self.tried(result).await,
            Ended::Told(result) => self.guest_told(result),
            Ended::Lost(reason) if self.trying.is_some() => {
                let reason = format!("the agent has a fault: {reason}");
                self.give_trying_up(&reason).await;
            }
            Ended::Lost(reason) => self.fail(format!("the agent has a fault: {reason}")),
        }
    }

    async fn offer(&mut self, described: Box<Described>) {
        let Some(leaving) = &mut self.leaving else {
            return;
        };
        let (relocation, to) = (leaving.relocation, leaving.to.clone());
        leaving.description = Some(described.description);
        leaving.examination = described.examination;
        self.half = Half::Source(described.source);
        self.link(described.connection);
        if let Err(reason) = self.handle(Input::Move { relocation, to }).await
            && let Some(leaving) = &mut self.leaving
        {
            leaving.reason.get_or_insert(reason);
        }
    }

    fn copied(&mut self, done: CopyDone) {
        if let Some(leaving) = &mut self.leaving {
            leaving.recorder.copied(&done.copied);
            leaving.relays = Some(done.relays);
        }
        self.inputs.push_back(Input::Copied);
    }

    fn prepared(&mut self, target: Box<dyn Target>, proofs: Vec<Proof>) {
        let Some(arriving) = &mut self.arriving else {
            self.half = Half::Target(target);
            return self.inputs.push_back(Input::Fail);
        };
        arriving.proofs = proofs;
        let load = Load {
            relocation: arriving.relocation,
            target,
            description: arriving.offered.description.clone(),
            connection: arriving.connection.clone(),
        };
        self.job = Some(Job::start(|cancel| arriving::load(load, cancel)));
        self.inputs.push_back(Input::Prepared);
    }

    /// Closes what has come to its end.
    fn settle(&mut self) {
        if self.job.is_some() || !self.inputs.is_empty() {
            return;
        }
        if !self.custody.is_at_rest() {
            return;
        }
        self.half = Half::None;
        if let Some(arriving) = self.arriving.take() {
            self.came_from = Some(arriving.connection.peer().clone());
        }
        let Some(leaving) = self.leaving.take() else {
            return;
        };
        let outcome = match &self.custody.record().standing {
            Standing::Released { relocation, .. } if *relocation == leaving.relocation => {
                Outcome::Moved
            }
            _ => Outcome::Failed,
        };
        if outcome == Outcome::Moved {
            leaving.recorder.phase(Phase::Resume);
        }
        self.settle_prepared(outcome, &leaving.recorder);
        let reason = leaving.reason.filter(|_| outcome == Outcome::Failed);
        if outcome == Outcome::Moved {
            self.afterwards = Some(Afterwards {
                to: leaving.to,
                recorder: leaving.recorder.clone(),
                until: Instant::now() + AFTERWARDS,
            });
        } else {
            self.replaced.extend(self.links.remove(&leaving.to));
        }
        self.close_report(&leaving.recorder, outcome, reason);
    }
}

async fn ended(job: &mut Option<Job>) -> Ended {
    match job {
        Some(job) => job.ended().await,
        None => std::future::pending().await,
    }
}

pub(super) fn reply<T>(answer: super::Answer<T>, result: Result<T, String>) {
    // Who asked may have gone.
    let _ = answer.send(result);
}
