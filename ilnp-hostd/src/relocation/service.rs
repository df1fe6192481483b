//! Does what the agent asks for.

use std::time::Duration;

use ilnp_core::node::{self, Occasion};
use ilnp_core::relocation::{
    Answer, Empty, Epoch, Event, Fence, FromGuest, GuestHello, Hello, Prepare, Prepared, Refused,
    Request, Resumed, Step, ToGuest, Told,
};
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::Settings;
use super::port::Port;
use super::story::Story;
use crate::attachment::Plan;
use crate::clock;
use crate::clone::Evidence;
use crate::driver::{self, Tiding};

/// Why the node does not answer.
const STOPPING: &str = "the daemon is about to stop";

/// For so long a host that has arrived somewhere unprepared looks around before anything else.
const ARRIVAL: Duration = Duration::from_millis(500);

/// Listens to the port, one request after the other.
#[derive(Debug)]
pub(super) struct Service {
    settings: Settings,
    port: Port,
    story: Story,
    /// The hand-over that is prepared, until it happens or does not.
    prepared: Option<u64>,
    /// Waits for name servers to confirm a Locator.
    confirmation: Option<AbortOnDropHandle<()>>,
}

/// What the service waits for.
enum News {
    Line(Vec<u8>),
    Tiding(Option<Tiding>),
    Confirmed,
}

impl Service {
    pub(super) fn new(settings: Settings, port: Port) -> Self {
        Self {
            settings,
            port,
            story: Story::default(),
            prepared: None,
            confirmation: None,
        }
    }

    /// Works for as long as the future is polled, or until the daemon ends.
    pub(super) async fn run(mut self) {
        loop {
            let news = tokio::select! {
                biased;
                tiding = self.settings.tidings.recv() => News::Tiding(tiding),
                () = ended(&mut self.confirmation) => News::Confirmed,
                line = self.port.next() => News::Line(line),
            };
            match news {
                News::Line(line) => self.line(&line).await,
                News::Tiding(Some(tiding)) => self.hear(tiding),
                News::Tiding(None) => return,
                News::Confirmed => {
                    self.confirmation = None;
                    self.story.dns_confirmed(clock::now());
                }
            }
            while let Some(event) = self.story.poll() {
                self.port.send(&FromGuest::Event(event));
            }
        }
    }

    fn hear(&mut self, tiding: Tiding) {
        if let Tiding::Happened(_, node::Event::Told { occasion, .. }) = tiding
            && occasion == Occasion::Expired
        {
            self.prepared = None;
            self.story.called_off();
        }
        if let Some(locator) = self.story.hear(tiding) {
            let publisher = self.settings.publisher.clone();
            let confirmed = async move { publisher.confirmed(locator).await };
            self.confirmation = Some(AbortOnDropHandle::new(tokio::spawn(confirmed)));
        }
        if self.story.planned().is_none() {
            // It happened.
            self.prepared = None;
        }
    }

    async fn line(&mut self, line: &[u8]) {
        let (id, answer) = match ToGuest::parse(line) {
            Ok(ToGuest { id, request, .. }) => (id, self.answer(request).await),
            Err(unreadable) => match unreadable.id {
                Some(id) => (id, Err(unreadable.reason)),
                None => {
                    tracing::debug!(%unreadable, "a line of the relocation port that nobody can be told about");
                    return;
                }
            },
        };
        let answer = answer.unwrap_or_else(|reason| {
            tracing::warn!(reason, "refused what the hypervisor's agent asked for");
            Answer::Error(Refused { reason })
        });
        self.port.send(&FromGuest::Answer { id, answer });
    }

    /// The error is a text for people.
    async fn answer(&mut self, request: Request) -> Result<Answer, String> {
        tracing::debug!(?request, "the hypervisor's agent asks");
        match request {
            Request::Hello(hello) => self.hello(hello).await,
            Request::Prepare(prepare) => self.prepare(prepare).await,
            Request::Switch(epoch) => self.switch(epoch).await,
            Request::Resumed(resumed) => self.resumed(resumed).await,
            Request::Cancel(epoch) => self.cancel(epoch).await,
            Request::Fence(fence) => self.fence(fence).await,
        }
    }

    async fn hello(&self, hello: Hello) -> Result<Answer, String> {
        let custodian = &self.settings.custodian;
        let granted = custodian.run(hello.epoch, hello.instance).await?;
        granted.wait().await?;
        Ok(Answer::Hello(GuestHello {
            nid: self.settings.nid,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    async fn fence(&self, fence: Fence) -> Result<Answer, String> {
        let Fence { epoch, reason } = fence;
        let order = Evidence::Order { epoch, reason };
        self.settings.custodian.weigh(order).await?;
        Ok(Answer::Done(Empty {}))
    }

    async fn prepare(&mut self, prepare: Prepare) -> Result<Answer, String> {
        self.require_custody()?;
        let known = self.settings.custodian.epoch();
        if let Some(known) = known.filter(|known| prepare.epoch <= *known) {
            return Err(format!(
                "epoch {} is over: this guest has custody since epoch {known}, and moves next under a higher one",
                prepare.epoch
            ));
        }
        if !prepare.router.is_unicast_link_local() {
            return Err(format!(
                "router {} is no link-local address (fe80::/10), so no guest can send by it",
                prepare.router
            ));
        }
        if let Some(unusable) = prepare.locators.iter().find(|it| !it.is_usable()) {
            return Err(format!(
                "{unusable} is no Locator that packets can be sent to"
            ));
        }
        if prepare.locators.is_empty() || prepare.locators.len() > node::SlotIndex::COUNT / 2 {
            return Err(format!(
                "{} Locators, expected 1 to {}",
                prepare.locators.len(),
                node::SlotIndex::COUNT / 2
            ));
        }
        let plan = Plan {
            locators: prepare.locators.clone(),
            router: prepare.router,
            router_mac: prepare.router_mac.map(|mac| mac.0),
        };
        let future = self.settings.planner.prepare(plan).await?;
        let nothing_new = future.is_empty();
        self.story.prepared(prepare.epoch, prepare.locators);
        let order = node::Relocation::Prepare(future);
        let correspondents = self.relocate(order).await?;
        self.prepared = Some(prepare.epoch);
        if nothing_new {
            // The link is the same at both sites: nobody needs to know.
            self.port.send(&FromGuest::Event(Event::Told(Told {
                epoch: prepare.epoch,
                step: Step::Prepare,
                correspondents: 0,
                acknowledged: 0,
            })));
        }
        Ok(Answer::Prepared(Prepared { correspondents }))
    }

    async fn switch(&self, Epoch { epoch }: Epoch) -> Result<Answer, String> {
        self.require_custody()?;
        self.expect(epoch)?;
        self.relocate(node::Relocation::Switch).await?;
        Ok(Answer::Done(Empty {}))
    }

    async fn cancel(&mut self, Epoch { epoch }: Epoch) -> Result<Answer, String> {
        // Cancelling twice, or what was never prepared, leaves everything as it is wanted. Who gives a
        // later attempt up gives up what was prepared before it; a late word of an earlier one is none.
        if self.prepared.is_some_and(|prepared| prepared > epoch) {
            self.expect(epoch)?;
        }
        self.relocate(node::Relocation::Cancel).await?;
        self.prepared = None;
        self.story.called_off();
        Ok(Answer::Done(Empty {}))
    }

    async fn resumed(&mut self, resumed: Resumed) -> Result<Answer, String> {
        let now = clock::now();
        let unplanned = self.story.planned() != Some(resumed.epoch);
        if unplanned {
            self.look_around().await;
        }
        let custodian = &self.settings.custodian;
        let granted = custodian.run(resumed.epoch, resumed.instance).await?;
        if unplanned {
            // What was prepared was another move.
            self.relocate(node::Relocation::Cancel).await?;
        }
        self.prepared = None;
        self.story.resumed(now, resumed.epoch);
        self.settings.planner.arrived().await;
        // Only the agent waits for the disk.
        granted.wait().await?;
        Ok(Answer::Done(Empty {}))
    }

    /// Lets the host find out where it is: its sessions stand still until then. What the agent says
    /// concerns copies of this host, which it keeps from running meanwhile.
    async fn look_around(&mut self) {
        let found = async {
            while let Some(tiding) = self.settings.tidings.recv().await {
                let moved = matches!(
                    tiding,
                    Tiding::Happened(_, node::Event::SourceChanged { .. })
                );
                self.hear(tiding);
                if moved {
                    return;
                }
            }
        };
        // A host that was moved inside its site finds nothing new.
        let _ = tokio::time::timeout(ARRIVAL, found).await;
    }

    /// Refuses what a copy that must not use the identifier cannot do.
    fn require_custody(&self) -> Result<(), String> {
        match self.settings.custodian.fenced() {
            None => Ok(()),
            Some(why) => Err(format!("this copy of the guest is fenced: {why}")),
        }
    }

    /// Refuses what belongs to another hand-over than the prepared one.
    fn expect(&self, epoch: u64) -> Result<(), String> {
        match self.prepared {
            Some(prepared) if prepared == epoch => Ok(()),
            Some(prepared) => Err(format!(
                "epoch {prepared} was prepared here, not epoch {epoch}"
            )),
            None => Err(format!("nothing is prepared here for epoch {epoch}")),
        }
    }

    async fn relocate(&self, order: node::Relocation) -> Result<usize, String> {
        let (answer, answered) = oneshot::channel();
        let request = driver::Request::Relocate(order, answer);
        let sent = self.settings.requests.send(request).await;
        sent.map_err(|_| STOPPING.to_owned())?;
        answered.await.map_err(|_| STOPPING.to_owned())?
    }
}

/// Waits for a task to end; for ever when there is none.
async fn ended(task: &mut Option<AbortOnDropHandle<()>>) {
    match task {
        // Only the end of the daemon cancels it.
        Some(task) => drop(task.await),
        None => std::future::pending().await,
    }
}
