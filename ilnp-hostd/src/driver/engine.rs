//! The node with everything that follows from an input.

use std::collections::VecDeque;

use ilnp_core::id::{Handle, HandlePrefix, Nid};
use ilnp_core::node::{Event, Input, MoveOrder, Node, Occasion, Relocation, Resolved, Restored};
use ilnp_core::time::Instant;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::host::Host;
use super::output::{Output, poll_output};
use super::pings::Pings;
use super::request::{PingError, Request};
use super::tiding::Tiding;
use super::views;
use crate::api;
use crate::api::monitor::Report;
use crate::record::Recorder;

/// What does not change while the daemon runs.
#[derive(Clone, Debug)]
pub struct About {
    /// This node's identifier.
    pub nid: Nid,
    /// What handles are made of.
    pub handles: HandlePrefix,
    /// The interface that bears the handle.
    pub interface: String,
    /// When the daemon started.
    pub started: Instant,
}

/// A node, with those who ask it and those who listen to it.
#[derive(Debug)]
pub struct Engine {
    node: Node,
    about: About,
    reports: broadcast::Sender<Report>,
    pings: Pings,
    tidings: Option<mpsc::Sender<Tiding>>,
    recorder: Option<Recorder>,
}

impl Engine {
    /// An engine around `node`. Events go to `reports`, inputs to the recorder if there is one.
    pub fn new(
        node: Node,
        about: About,
        reports: broadcast::Sender<Report>,
        recorder: Option<Recorder>,
    ) -> Self {
        Self {
            node,
            about,
            reports,
            pings: Pings::default(),
            tidings: None,
            recorder,
        }
    }

    /// Takes over a correspondent that the data path kept while no daemon ran.
    pub fn restore(&mut self, now: Instant, restored: Restored, host: &mut impl Host) {
        self.record(|recorder| recorder.restored(now, &restored));
        self.node.restore(now, restored);
        self.settle(now, host);
    }

    /// Gives the node an input and does everything that follows from it.
    pub fn handle(&mut self, now: Instant, input: Input, host: &mut impl Host) {
        self.record(|recorder| recorder.input(now, &input));
        self.node.handle(now, input);
        self.settle(now, host);
    }

    /// Tells of moves from now on. What is not read in time is lost.
    pub fn tell_of_moves(&mut self, tidings: mpsc::Sender<Tiding>) {
        self.tidings = Some(tidings);
    }

    /// The kernel or the hypervisor says that this host was moved.
    pub(super) fn noticed(&self, at: Instant) {
        self.tell(Tiding::Noticed(at));
    }

    fn tell(&self, tiding: Tiding) {
        if let Some(tidings) = &self.tidings {
            // A report that nobody reads is no reason to wait.
            let _ = tidings.try_send(tiding);
        }
    }

    /// When the node wants [`Input::Timeout`].
    pub fn deadline(&mut self) -> Option<Instant> {
        self.node.poll_timeout()
    }

    /// Writes out what was recorded so far.
    pub fn flush_recording(&mut self) {
        self.record(Recorder::flush);
    }

    /// Does what the node wants, answers to its questions included.
    fn settle(&mut self, now: Instant, host: &mut impl Host) {
        let mut answers = VecDeque::new();
        loop {
            while let Some(output) = poll_output(&mut self.node) {
                match output {
                    Output::Datapath(update) => answers.extend(host.apply(update)),
                    Output::Transmit(packet) | Output::Deliver(packet) => host.send(&packet),
                    Output::Dns(request) => host.ask_dns(request),
                    Output::Event(event) => {
                        if ends_a_plan(&event) {
                            host.stay();
                        }
                        self.report(now, &event);
                        if let Some(to) = reopened(&event) {
                            host.way_changed(to);
                        }
                    }
                }
            }
            let Some(answer) = answers.pop_front() else {
                return;
            };
            self.record(|recorder| recorder.input(now, &answer));
            self.node.handle(now, answer);
        }
    }

    fn report(&mut self, now: Instant, event: &Event) {
        if let Event::PingReply {
            handle,
            identifier,
            sequence,
            remote,
            local,
        } = *event
        {
            let key = (identifier, sequence);
            self.pings
                .finish(now, self.about.handles, key, handle, (remote, local));
        }
        log(event);
        if matches!(event, Event::SourceChanged { .. } | Event::Told { .. }) {
            self.tell(Tiding::Happened(now, event.clone()));
        }
        if self.reports.receiver_count() > 0 {
            // The last monitor may have gone just now.
            let _ = self.reports.send(Report::new(event, self.about.handles));
        }
    }

    /// Records, and stops recording when the file cannot be written.
    fn record(&mut self, write: impl FnOnce(&mut Recorder) -> std::io::Result<()>) {
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = write(recorder)
        {
            tracing::error!(%error, "cannot write the recording, which ends here");
            self.recorder = None;
        }
    }

    /// Answers a request of the API.
    pub fn answer(&mut self, now: Instant, request: Request, host: &mut impl Host) {
        // Whoever asked may have gone; an answer that nobody takes is no error.
        match request {
            Request::Status(answer) => {
                let _ = answer.send(views::status(&self.node, &self.about, now, host));
            }
            Request::Correspondents(answer) => {
                let _ = answer.send(views::correspondents(&self.node, &self.about, now, host));
            }
            Request::Locators(answer) => {
                let _ = answer.send(api::locators::Locators {
                    schema: api::SCHEMA,
                    locators: views::locators(&self.node, now, host),
                });
            }
            Request::Counters(answer) => {
                let _ = answer.send(views::counters(&self.node, host));
            }
            Request::Move(order, answer) => {
                let _ = answer.send(self.order_move(now, order, host));
            }
            Request::Relocate(order, answer) => {
                let _ = answer.send(self.relocate(now, order, host));
            }
            Request::Learn(resolved, answer) => {
                let _ = answer.send(self.learn(now, resolved, host));
            }
            Request::Known(handle, answer) => {
                let _ = answer.send(views::known(&self.node, now, handle));
            }
            Request::SessionNames(answer) => {
                let _ = answer.send(views::session_names(&self.node));
            }
            Request::Ping(target, answer) => self.ping(now, &target, answer, host),
        }
    }

    /// Tells the node what DNS says of a name.
    fn learn(&mut self, now: Instant, resolved: Resolved, host: &mut impl Host) -> Option<Handle> {
        let input = Input::Resolved(resolved.clone());
        self.record(|recorder| recorder.input(now, &input));
        let handle = self.node.handle_resolved(now, resolved);
        self.settle(now, host);
        handle
    }

    fn order_move(
        &mut self,
        now: Instant,
        order: MoveOrder,
        host: &mut impl Host,
    ) -> Result<(), String> {
        if let Some(locator) = views::foreign(&self.node, now, &order.drop) {
            return Err(format!("{locator} is none of this host's Locators"));
        }
        let wanted = order.locator;
        host.look_around();
        self.handle(now, Input::Move(order), host);
        // One that was given up before can be had back, so that only the node knows what it takes.
        match wanted {
            Some(locator) if !views::sends_from(&self.node, now, locator) => {
                Err(format!("{locator} is none of this host's Locators"))
            }
            _ => Ok(()),
        }
    }

    fn relocate(
        &mut self,
        now: Instant,
        order: Relocation,
        host: &mut impl Host,
    ) -> Result<usize, String> {
        if order == Relocation::Switch && self.node.plan(now).is_none() {
            return Err("no move is prepared, or not any more: prepare it again".to_owned());
        }
        self.handle(now, Input::Relocation(order), host);
        Ok(self.node.proved_correspondents())
    }

    fn ping(
        &mut self,
        now: Instant,
        target: &str,
        answer: oneshot::Sender<Result<api::ping::Reply, PingError>>,
        host: &mut impl Host,
    ) {
        let Some(handle) = views::find(&self.node, &self.about, now, target) else {
            let _ = answer.send(Err(PingError::Unknown));
            return;
        };
        if let Some((identifier, sequence)) = self.pings.start(now, handle, answer) {
            let input = Input::Ping {
                handle,
                identifier,
                sequence,
            };
            self.handle(now, input, host);
        }
    }
}

/// To whom there may be a way again by what has happened; `Some(None)` is everybody.
fn reopened(event: &Event) -> Option<Option<Handle>> {
    match *event {
        Event::SourceChanged { locator: Some(_) } => Some(None),
        Event::DestinationChanged { handle, .. } | Event::UpdateAcknowledged { handle, .. } => {
            Some(Some(handle))
        }
        _ => None,
    }
}

/// Whether what was put in place for a move is of no use any more.
const fn ends_a_plan(event: &Event) -> bool {
    matches!(
        event,
        Event::Told {
            occasion: Occasion::Cancelled | Occasion::Expired,
            acknowledged: 0,
            ..
        }
    )
}

/// Events for people who read logs. Addresses and names of others stay at the debug level, except where
/// they are what a security event is about (RFC 6741 §11).
fn log(event: &Event) {
    match event {
        Event::Security {
            reason,
            source,
            destination,
            protocol,
            ports,
        } => tracing::warn!(%reason, %source, %destination, protocol, ?ports, "security event"),
        Event::SourceChanged { locator: None } => tracing::warn!("no Locator works"),
        Event::SourceChanged {
            locator: Some(locator),
        } => tracing::info!(%locator, "packets leave from another Locator now"),
        Event::FellBack { why, .. } => {
            tracing::info!(why, "a correspondent does not speak ILNP");
            tracing::debug!(?event);
        }
        other => tracing::debug!(event = ?other),
    }
}
