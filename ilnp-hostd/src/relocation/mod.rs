//! The guest's end of the port over which the agent of the hypervisor speaks of relocations
//! ([`ilnp_core::relocation`]).
//!
//! ```text
//! port ──> Service ─┬─> Planner (attachment): address, route, neighbour
//!  ^                └─> Driver: Node: Locator Updates
//!  └───── Story <────── Driver: what became of it; publisher: name servers know
//! ```
//!
//! | part | what it does |
//! |---|---|
//! | `port` | opens the port when it is there, reads and writes its lines |
//! | `service` | does what the agent asks for |
//! | `story` | what the agent is told of a move |
//!
//! Nobody needs the port: without it a move is noticed by what the kernel and the routers tell.

mod port;
mod service;
mod story;

use std::path::PathBuf;

use ilnp_core::id::Nid;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::attachment::Planner;
use crate::clone::Custodian;
use crate::driver::{Request, Tiding};
use crate::names::Publisher;
use port::Port;
use service::Service;

/// How many tidings wait to be told.
pub const TIDINGS: usize = 64;

/// What a host is told of its relocations with.
#[derive(Debug)]
pub struct Settings {
    /// The port: a character device, or a Unix socket that somebody listens on. It need not be
    /// there.
    pub port: PathBuf,
    /// This node's identifier.
    pub nid: Nid,
    /// Who decides whether this copy of the host may use it.
    pub custodian: Custodian,
    /// Who puts things in place.
    pub planner: Planner,
    /// The way to the node.
    pub requests: mpsc::Sender<Request>,
    /// What the node says of moves.
    pub tidings: mpsc::Receiver<Tiding>,
    /// Who knows what name servers know.
    pub publisher: Publisher,
}

/// The task that listens to the agent.
#[derive(Debug)]
pub struct Relocation {
    _task: AbortOnDropHandle<()>,
}

impl Relocation {
    /// Listens while it is held. Must be called within a tokio runtime.
    pub fn start(settings: Settings) -> Self {
        let port = Port::new(settings.port.clone());
        let service = Service::new(settings, port);
        Self {
            _task: AbortOnDropHandle::new(tokio::spawn(service.run())),
        }
    }
}
