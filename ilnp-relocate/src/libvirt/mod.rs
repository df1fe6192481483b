//! Guests of a libvirt daemon, through `virsh`.
//!
//! libvirt migrates guests by itself, daemon to daemon, and decides by itself where the guest runs
//! afterwards. Here the agents decide, and so three things are done differently from a plain
//! `virsh migrate`:
//!
//! * What `virsh` says to the target's daemon passes two relays of ours (`rpc`). The one at the
//!   source withholds the answer to the last call, so that the stopped guest stays at the source,
//!   whole, until it is [released](crate::hypervisor::Source::release) or
//!   [resumed](crate::hypervisor::Source::resume). The one at the target lets nothing pass but this
//!   one migration, to a guest that does not run before it is told to.
//! * The definition that the target's operator has given the domain is what the target uses. The
//!   source cannot name a file, a bridge or a program there.
//! * The guest is told before it is stopped: libvirt is held back by its limit of downtime and its
//!   rate until what is left is little (`pace`).

mod advice;
mod aside;
mod definition;
mod description;
mod devices;
mod images;
mod job;
mod migration;
mod pace;
mod rpc;
mod sockets;
mod source;
mod stop;
mod target;
mod virsh;

use std::path::{Path, PathBuf};

use crate::hypervisor::HypervisorError;
use definition::{Owner, Unreadable};
use virsh::Virsh;

pub use source::LibvirtSource;
pub use target::LibvirtTarget;

/// A guest that is a domain of a libvirt daemon of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// What the agents call the guest.
    pub guest: String,
    /// The daemon's URI, as `qemu:///system`.
    pub uri: String,
    /// What libvirt calls it. Name and UUID are the same at every site.
    pub name: String,
    /// Where sockets are made.
    pub directory: PathBuf,
    /// Where digests of base images are remembered.
    pub state_directory: PathBuf,
}

impl Domain {
    /// The socket of the guest's virtio-serial port `name`; `None` when it has none or does not
    /// run.
    ///
    /// # Errors
    /// When libvirt does not answer, or knows no such domain.
    pub async fn port(&self, name: &str) -> Result<Option<PathBuf>, HypervisorError> {
        let doing = "find the guest's port";
        let xml = self.virsh().run(doing, "dumpxml", &[]).await?;
        definition::port(&xml, name).map_err(|error| unreadable(doing, &error))
    }

    /// Lets the guest run, from its beginning unless it runs already.
    ///
    /// # Errors
    /// When libvirt does not answer, knows no such domain, or cannot start it; then with what it
    /// says.
    pub async fn start(&self) -> Result<(), HypervisorError> {
        if self.is_running().await? {
            return Ok(());
        }
        self.virsh()
            .run("start the domain", "start", &[])
            .await
            .map(drop)
    }

    /// Whether the guest runs here.
    ///
    /// # Errors
    /// When libvirt does not answer, or knows no such domain.
    pub async fn is_running(&self) -> Result<bool, HypervisorError> {
        Ok(self.state().await? == "running")
    }

    /// `running`, `paused`, `shut off`, ...
    async fn state(&self) -> Result<String, HypervisorError> {
        let state = self
            .virsh()
            .run("ask for the state of the domain", "domstate", &[])
            .await?;
        Ok(state.trim().to_owned())
    }

    /// Whom QEMUs of this daemon run as.
    async fn qemu_owner(&self) -> Result<Option<Owner>, HypervisorError> {
        let capabilities = self.virsh().capabilities().await?;
        definition::owner(&capabilities)
            .map_err(|error| unreadable("find out whom QEMU runs as", &error))
    }

    fn virsh(&self) -> Virsh {
        Virsh::new(&self.uri, &self.name)
    }

    /// A socket of this guest's, free to be listened on.
    fn fresh_socket(&self, purpose: &str) -> Result<PathBuf, HypervisorError> {
        let path = self.directory.join(format!("{}.{purpose}", self.guest));
        sockets::free(&path)?;
        Ok(path)
    }
}

fn unreadable(doing: &str, error: &Unreadable) -> HypervisorError {
    HypervisorError::Failed {
        doing: doing.to_owned(),
        reason: error.to_string(),
    }
}

fn cannot_listen(path: &Path, error: &std::io::Error) -> HypervisorError {
    HypervisorError::Failed {
        doing: format!("listen on {}", path.display()),
        reason: error.to_string(),
    }
}
