//! The halves of whatever a guest runs in.

use std::path::PathBuf;

use crate::config::{Guest, Hypervisor};
use crate::hypervisor::{HypervisorError, Source, Target};
use crate::libvirt::{LibvirtSource, LibvirtTarget};
use crate::qemu::{Incoming, Qemu};

/// The half of a guest that is here already.
pub(super) async fn source(guest: &Guest) -> Result<Box<dyn Source>, HypervisorError> {
    match &guest.hypervisor {
        Hypervisor::Qemu(settings) => {
            let qemu = Qemu::attach(settings.as_ref().clone()).await?;
            Ok(Box::new(qemu))
        }
        Hypervisor::Libvirt(domain) => Ok(Box::new(LibvirtSource::attach(domain.clone()).await?)),
    }
}

/// The half of a guest that may come.
pub(super) fn target(guest: &Guest) -> Result<Box<dyn Target>, HypervisorError> {
    match &guest.hypervisor {
        Hypervisor::Qemu(settings) => Ok(Box::new(Incoming::new(settings.as_ref().clone())?)),
        Hypervisor::Libvirt(domain) => Ok(Box::new(LibvirtTarget::new(domain.clone()))),
    }
}

/// The half of a guest that came, or was to come, while another agent was here.
pub(super) async fn arrived(guest: &Guest) -> Result<Box<dyn Target>, HypervisorError> {
    match &guest.hypervisor {
        Hypervisor::Qemu(settings) => {
            let incoming = Incoming::attach(settings.as_ref().clone()).await?;
            Ok(Box::new(incoming))
        }
        Hypervisor::Libvirt(domain) => Ok(Box::new(LibvirtTarget::new(domain.clone()))),
    }
}

/// Starts a guest that belongs here, and may have `arrived` by a relocation.
pub(super) async fn start(guest: &Guest, arrived: bool) -> Result<(), HypervisorError> {
    match &guest.hypervisor {
        Hypervisor::Qemu(settings) => {
            Qemu::start(settings.as_ref().clone(), arrived).await?;
            Ok(())
        }
        Hypervisor::Libvirt(domain) => domain.start().await,
    }
}

/// The socket of the port to the daemon in a guest; none where it has no port.
pub(super) async fn port(guest: &Guest) -> Option<PathBuf> {
    match &guest.hypervisor {
        Hypervisor::Qemu(settings) => settings.port.then(|| settings.port_socket()),
        Hypervisor::Libvirt(domain) => match domain.port(ilnp_core::relocation::PORT).await {
            Ok(port) => port,
            Err(error) => {
                tracing::warn!(guest = guest.name, %error, "the guest is not told of its moves");
                None
            }
        },
    }
}
