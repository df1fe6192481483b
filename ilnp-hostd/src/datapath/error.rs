//! What can go wrong between the daemon and the kernel's data path, with the remedy.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

/// A failure of the data path. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataPathError {
    /// A capability is missing.
    #[error("may not {what}: run as root, or with CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON")]
    NotPermitted {
        /// What was tried.
        what: &'static str,
    },
    /// The pin directory cannot hold pins.
    #[error(
        "{} is not on a BPF file system: run `mount -t bpf bpf /sys/fs/bpf`, or set pin-dir to a directory on one",
        .0.display()
    )]
    NoBpfFileSystem(PathBuf),
    /// The kernel has no TUN driver.
    #[error("there is no /dev/net/tun: run `modprobe tun`, or use a kernel with CONFIG_TUN")]
    NoTun,
    /// The ILNP interface is open already.
    #[error("another daemon holds {0}: stop it, or set another interface-name")]
    InterfaceBusy(String),
    /// The ILNP interface's name belongs to something else.
    #[error("{0} exists and is not a TUN device: remove it, or set another interface-name")]
    InterfaceTaken(String),
    /// Not a name that Linux would give an interface.
    #[error(
        "{0:?} cannot be the name of an interface: 1 to 15 characters, no space, slash or colon"
    )]
    InterfaceName(String),
    /// No interface with this index.
    #[error("there is no interface with index {0}")]
    NoInterface(u32),
    /// The pins are another version's.
    #[error(
        "{} holds {found:?}, which this version did not make: run `ilnp-hostd --cleanup` (sessions end), or set another pin-dir",
        pin_dir.display()
    )]
    OtherLayout {
        /// Where they are.
        pin_dir: PathBuf,
        /// What was found there.
        found: String,
    },
    /// The pins are those of a daemon in another network namespace.
    #[error(
        "{} belongs to another network namespace: one daemon, one pin-dir; set another, or run `ilnp-hostd --cleanup` if that daemon is gone",
        .0.display()
    )]
    OtherNamespace(PathBuf),
    /// The kernel lacks what the programs need.
    #[error("Linux {0} is too old: 6.1 or later is needed")]
    KernelTooOld(String),
    /// A table has no room.
    #[error("the table {0} is full")]
    MapFull(&'static str),
    /// A slot number out of range.
    #[error("there is no slot {0}: slots are numbered 0 to 15")]
    NoSlot(u8),
    /// Anything else that the kernel refused.
    #[error("cannot {what}")]
    Kernel {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl DataPathError {
    /// Turns the failure of an attempt to do `what` into the error that names the remedy.
    pub(super) fn failed_to<E: Error + Send + Sync + 'static>(
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| match errno(&source) {
            Some(Errno::EPERM | Errno::EACCES) => Self::NotPermitted { what },
            _ => Self::refused(what, source),
        }
    }

    /// The kernel's own words, for want of a better remedy.
    pub(super) fn refused<E: Error + Send + Sync + 'static>(what: &'static str, source: E) -> Self {
        Self::Kernel {
            what,
            source: Box::new(source),
        }
    }
}

/// The system error at the bottom of a chain of errors.
pub(super) fn errno(error: &(dyn Error + 'static)) -> Option<Errno> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(&errno) = error.downcast_ref::<Errno>() {
            return Some(errno);
        }
        if let Some(code) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error)
        {
            return Some(Errno::from_raw(code));
        }
        next = error.source();
    }
    None
}
