//! Where this host is attached: which Locators it has, and when that changes.
//!
//! [`Detector`] decides, without doing any input or output. [`Attachments::start`] runs it on the
//! kernel's events, on what the routers of the links say and on a timer, carries out what it asks
//! for, and hands its events to the daemon.
//!
//! A move is told by the prefix that a link advertises, never by the router's address: the routers
//! of two sites may both be `fe80::1`. It is looked for as in Simple DNA (RFC 6059) whenever
//! something hints at it: a Router Solicitation is sent at once and the known routers are probed,
//! without waiting for any timer of the routers.

mod action;
mod clean_up;
mod detector;
mod plan;
mod task;
mod withdraw;

use std::path::PathBuf;

use ilnp_core::id::{HandlePrefix, Nid};
use ilnp_core::node::{LinkEvent, LocalLocator};
use ilnp_core::time::Instant;
use ilnp_core::wire::NonceLength;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use self::action::Action;
pub use self::detector::{Config, Detector};
pub use self::plan::{Piece, Plan};
use self::task::{Order, Task};
use crate::kernel::ilnp_interface::IlnpInterface;
use crate::kernel::{KernelError, Netlink, Undo};

/// What became of this host's attachment.
#[derive(Clone, Debug, PartialEq)]
pub enum AttachmentEvent {
    /// The Locators of this host changed.
    Link(LinkEvent),
    /// An interface bears Locators from now on, or its MTU changed. Comes before the first Locator
    /// of the interface.
    InterfaceUsed {
        /// Its index.
        index: u32,
        /// Its name.
        name: String,
        /// Its MTU in octets.
        mtu: u32,
    },
    /// An interface is gone. Comes after the removal of its Locators.
    InterfaceGone {
        /// Its index.
        index: u32,
    },
    /// The kernel or the hypervisor says that this host was moved. Whether that is so is told by its
    /// Locators.
    Noticed {
        /// When.
        at: Instant,
    },
}

/// How a host is attached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This node's identifier.
    pub nid: Nid,
    /// The prefix of the handles.
    pub handle_prefix: HandlePrefix,
    /// The Nonces that this node sends.
    pub nonce_length: NonceLength,
    /// The interfaces that may bear Locators; `None` for every Ethernet-like one with a global /64.
    pub interfaces: Option<Vec<String>>,
    /// The interface that bears the handles. The data path must have made it.
    pub ilnp_interface: String,
    /// Where the record of changed settings is kept, so that they can be changed back after a crash.
    pub state_dir: PathBuf,
    /// Whether the identifier must not be used: no address is made of it then.
    pub fenced: bool,
}

/// The host's attachment, watched by a task of its own.
#[derive(Debug)]
pub struct Attachments {
    /// What happens. When it is not read in time, only the newest state is told.
    pub events: mpsc::Receiver<AttachmentEvent>,
    orders: mpsc::Sender<Order>,
    fenced: watch::Sender<bool>,
    task: JoinHandle<Result<(), KernelError>>,
}

impl Settings {
    fn ilnp_interface(&self) -> IlnpInterface {
        IlnpInterface {
            name: self.ilnp_interface.clone(),
            nid: self.nid,
            handle_prefix: self.handle_prefix,
            nonce_length: self.nonce_length,
        }
    }
}

impl Attachments {
    /// How many events wait to be read.
    const QUEUE: usize = 16;

    /// Sets the interface of the handles up and starts to watch the host's attachment. The network
    /// namespace is that of the calling thread. Must be called within a tokio runtime.
    ///
    /// The first event is the set of Locators that the host has.
    ///
    /// # Errors
    /// [`KernelError`]; what was changed until then can be taken back with [`clean_up`].
    pub async fn start(settings: Settings) -> Result<Self, KernelError> {
        let (events_in, events) = mpsc::channel(Self::QUEUE);
        let (orders, orders_out) = mpsc::channel(Self::QUEUE);
        let (fenced, fenced_out) = watch::channel(settings.fenced);
        let task = Task::new(settings, events_in, orders_out, fenced_out).await?;
        Ok(Self {
            events,
            orders,
            fenced,
            task: tokio::spawn(task.run()),
        })
    }

    /// Somebody who knows says that the host may have moved: looks for routers now.
    pub fn hint(&self) {
        // A hint that still waits does for this one too.
        let _ = self.orders.try_send(Order::Hint);
    }

    /// Makes addresses of the identifier, or withdraws those that were made. Addresses of other
    /// interface identifiers stay, so that the host is reached by those.
    pub fn fence(&self, fenced: bool) {
        if fenced {
            self.stay();
        }
        self.fenced.send_replace(fenced);
    }

    /// A move that was planned does not happen.
    pub fn stay(&self) {
        // Orders come one after the other, so that there is room. If there were none, the next plan
        // or the next daemon would take it back.
        let _ = self.orders.try_send(Order::TakeBack);
    }

    /// For those who know of moves in advance.
    pub fn planner(&self) -> Planner {
        Planner(self.orders.clone())
    }

    /// Stops, and gives the host its settings back: tokens and the addresses that were made with
    /// them, sysctls, address and routes of the handles.
    ///
    /// # Errors
    /// [`KernelError`] of the task when it had failed, or of the cleaning up.
    pub async fn stop(self) -> Result<(), KernelError> {
        // A closed channel means that the task has ended; its result tells why.
        let _ = self.orders.send(Order::Stop).await;
        drop(self.events);
        ended(self.task.await)
    }

    /// Waits until the task ends by itself, which it does only when something failed.
    ///
    /// # Errors
    /// [`KernelError`] that it failed with.
    pub async fn failed(&mut self) -> Result<(), KernelError> {
        ended((&mut self.task).await)
    }
}

/// Tells a host's attachment of moves in advance. Clones share everything.
#[derive(Clone, Debug)]
pub struct Planner(mpsc::Sender<Order>);

impl Planner {
    /// Puts everything in place for a move, and returns the Locators that this host will have and has
    /// not yet.
    ///
    /// # Errors
    /// Why it cannot be moved, for people. What the kernel refuses is only logged: the move takes
    /// longer without it.
    pub async fn prepare(&self, plan: Plan) -> Result<Vec<LocalLocator>, String> {
        const STOPPED: &str = "the daemon is about to stop";
        let (answer, answered) = oneshot::channel();
        let order = Order::Prepare(plan, answer);
        self.0.send(order).await.map_err(|_| STOPPED.to_owned())?;
        answered.await.map_err(|_| STOPPED.to_owned())?
    }

    /// The host runs at another place now.
    pub async fn arrived(&self) {
        // When the task has ended, the daemon ends too.
        let _ = self.0.send(Order::Arrived).await;
    }
}

/// Takes back what an earlier run left: for `--cleanup`, when no daemon runs. Settings that were
/// never changed stay.
///
/// # Errors
/// [`KernelError`].
pub async fn clean_up(settings: &Settings) -> Result<(), KernelError> {
    let netlink = Netlink::open()?;
    let undo = Undo::open(&settings.state_dir)?;
    clean_up::clean_up(settings, &netlink, undo).await
}

/// The task's own result; a panic in it goes on in the caller.
fn ended(
    result: Result<Result<(), KernelError>, tokio::task::JoinError>,
) -> Result<(), KernelError> {
    match result.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Cancelled: the runtime is going down.
        Err(Err(_)) => Ok(()),
    }
}
