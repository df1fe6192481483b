//! The guest's end of the port over which the agent of the hypervisor speaks of relocations
//! ([`ilnp_core::relocation`]).
//!
//! | part | what it does |
//! |---|---|
//! | `port` | opens the port when it is there, reads and writes its lines |
//! | `service` | does what the agent asks for |
//!
//! Nobody needs the port: without it a move is noticed by what the kernel and the routers tell.

mod port;
mod service;

use std::path::PathBuf;

use ilnp_core::id::Nid;
use tokio_util::task::AbortOnDropHandle;

use crate::clone::Custodian;
use port::Port;
use service::Service;

/// How a host is told of its relocations.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The port: a character device, or a Unix socket that somebody listens on. It need not be
    /// there.
    pub port: PathBuf,
    /// This node's identifier.
    pub nid: Nid,
    /// Who decides whether this copy of the host may use it.
    pub custodian: Custodian,
}

/// The task that listens to the agent.
#[derive(Debug)]
pub struct Relocation {
    _task: AbortOnDropHandle<()>,
}

impl Relocation {
    /// Listens while it is held. Must be called within a tokio runtime.
    pub fn start(settings: Settings) -> Self {
        let port = Port::new(settings.port);
        let service = Service::new(settings.nid, settings.custodian, port);
        Self {
            _task: AbortOnDropHandle::new(tokio::spawn(service.run())),
        }
    }
}
