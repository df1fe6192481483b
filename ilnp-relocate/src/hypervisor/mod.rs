//! What a hypervisor does with one guest in a relocation: the half at the source and the half at
//! the target.
//!
//! A hypervisor copies through [streams](Stream): at the source it connects to Unix sockets that
//! the agent listens on, at the target the agent connects to Unix sockets that the hypervisor
//! listens on. What lies between is none of its business.
//!
//! Neither half decides where the guest runs. The source never lets a stopped guest go on, and the
//! target never starts one that has arrived, before the agent says so.

pub(crate) mod program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// A stream of octets between the two halves. Several connections of one stream may be open at
/// once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Memory and device state.
    Memory,
    /// The disk with this identifier.
    Disk(String),
    /// What hypervisors say to each other, where they insist on it (libvirt).
    Control,
}

/// What makes a guest what it is: the target refuses a guest that it cannot continue exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Description {
    /// The guest's name, the same at every site.
    pub name: String,
    /// The kind of hypervisor: `qemu` or `libvirt`.
    pub hypervisor: String,
    /// The version of the hypervisor's program, as `7.2.22`. State goes to the same or a later one.
    pub version: String,
    /// The machine type with its version, as `pc-q35-7.2`.
    pub machine: String,
    /// The processor model with its flags.
    pub cpu: String,
    /// `tcg`, `kvm`.
    pub accelerator: String,
    /// How many virtual processors.
    pub processors: u32,
    /// The memory in octets.
    pub memory: u64,
    /// The devices that hold state, in an order that does not change.
    pub devices: Vec<String>,
    /// The disks.
    pub disks: Vec<Disk>,
}

/// A disk of a guest: an overlay on a base image that every site may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Disk {
    /// What the disk is called, the same at every site.
    pub id: String,
    /// The size that the guest sees, in octets.
    pub size: u64,
    /// Octets that the overlay takes, about: the room that a copy of the delta needs.
    pub delta: u64,
    /// Octets that overlay and base take, about: the room that a copy of everything needs.
    pub whole: u64,
    /// What the overlay lies on; none when the disk stands alone.
    pub base: Option<Base>,
}

impl Disk {
    /// Whether it will lie on the target's base image. A copy of everything stands alone.
    pub(crate) fn lies_on_base(&self, storage: Storage) -> bool {
        self.base.is_some() && storage != Storage::Full
    }
}

/// A base image, known by its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Base {
    /// Its size in octets.
    pub size: u64,
    /// The SHA-256 digest of what a guest reads from it, 64 hexadecimal digits.
    pub sha256: String,
}

/// The files of base images at a site, by the identifiers of the disks that lie on them.
pub type Bases = BTreeMap<String, PathBuf>;

/// Which part of the disks travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// Nothing: there are no disks, or both sites share them.
    None,
    /// The overlay: both sites hold the same base image.
    #[default]
    Delta,
    /// Everything.
    Full,
}

/// How a guest is to be moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Plan {
    /// Which part of the disks travels.
    pub storage: Storage,
    /// How long the guest may stand still by the hypervisor's own estimate.
    pub max_downtime: Duration,
    /// Octets a second that the copy of memory may take; `None` for as much as there is.
    pub bandwidth: Option<u64>,
    /// Whether memory is compressed on its way.
    pub compress: bool,
    /// Whether the guest may run at the target before all of its memory is there. Cannot be undone.
    pub post_copy: bool,
}

/// How far the copy is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "phase")]
pub enum Progress {
    /// Disks are copied.
    #[serde(rename_all = "kebab-case")]
    Disks {
        /// Octets done.
        done: u64,
        /// Octets there are, as far as is known.
        total: u64,
    },
    /// Memory is copied while the guest runs.
    #[serde(rename_all = "kebab-case")]
    Memory {
        /// Octets sent.
        sent: u64,
        /// Octets left.
        remaining: u64,
        /// Octets a second that the guest changes.
        dirty_rate: u64,
        /// How long the guest would stand still if it were stopped now.
        expected_downtime: Duration,
        /// By how much the guest is slowed down so that the copy ends, in per cent.
        throttle: u8,
    },
    /// The guest stands still, and what is left is copied.
    Stopped,
}

/// What the source tells once the guest stands still and all of it has gone into the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Copied {
    /// Octets of memory that were sent.
    pub memory: u64,
    /// Octets of disks that were sent.
    pub disks: u64,
}

/// What an agent lends to a copy while it goes on.
#[async_trait]
pub trait Assistance: Send + Sync {
    /// The Unix socket to connect to for a stream. The agent listens on it already.
    fn socket(&self, stream: &Stream) -> PathBuf;

    /// The guest will be stopped within some round trips: a last chance to tell it. The copy waits
    /// for this, but the guest runs on.
    async fn about_to_stop(&self);

    /// The guest stands still from now on.
    async fn stopped(&self);
}

/// The half of a hypervisor at the site that a guest leaves.
///
/// # Cancellation
/// Dropping the future of [`copy`](Self::copy) leaves the guest in whatever state it is in;
/// [`resume`](Self::resume) then brings everything back.
#[async_trait]
pub trait Source: Send {
    /// What the guest is, read from the running hypervisor.
    async fn describe(&mut self) -> Result<Description, HypervisorError>;

    /// The files of the base images that the disks lie on here.
    async fn bases(&mut self) -> Result<Bases, HypervisorError>;

    /// Copies disks and memory, stops the guest, and copies the rest. The disks at the target are
    /// complete, and nothing writes them from here any more, before the device state is sent. When
    /// this returns, everything has been written into the streams and the guest stands still.
    async fn copy(
        &mut self,
        plan: &Plan,
        assistance: &dyn Assistance,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Copied, HypervisorError>;

    /// Undoes what a copy left behind, at whatever point it ended, and lets the guest run here.
    async fn resume(&mut self) -> Result<(), HypervisorError>;

    /// The hypervisor's own figure of how long the guest stood still for a copy that was made; none
    /// where it has none. Asked when the guest runs elsewhere, so that nobody waits for it.
    async fn downtime(&mut self) -> Option<Duration>;

    /// The guest runs elsewhere for good: ends what is left of it here. Its disks stay where they
    /// are, out of use.
    async fn release(&mut self) -> Result<(), HypervisorError>;
}

/// The half of a hypervisor at the site that a guest comes to.
#[async_trait]
pub trait Target: Send {
    /// Refuses a guest that cannot go on here exactly as it is, before anything is copied or
    /// changed: another machine type, processor or base image, too little memory or disk.
    async fn check(&mut self, guest: &Description, plan: &Plan) -> Result<(), HypervisorError>;

    /// The files of the base images that disks would lie on here.
    async fn bases(&mut self) -> Result<Bases, HypervisorError>;

    /// Makes everything ready to receive.
    async fn prepare(&mut self, guest: &Description, plan: &Plan) -> Result<(), HypervisorError>;

    /// The Unix socket that the hypervisor listens on for a stream, once prepared.
    fn socket(&self, stream: &Stream) -> Option<&Path>;

    /// Waits until the whole state of the guest has arrived. It does not run.
    async fn loaded(&mut self) -> Result<(), HypervisorError>;

    /// Lets the guest run here.
    async fn resume(&mut self) -> Result<(), HypervisorError>;

    /// Throws away what has arrived. The guest must not have run here.
    async fn discard(&mut self) -> Result<(), HypervisorError>;
}

/// Why a hypervisor cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HypervisorError {
    /// The guest is refused or the request makes no sense; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// It does not answer, or has ended.
    #[error("the hypervisor of {guest} does not answer: {reason}")]
    Gone {
        /// Whose.
        guest: String,
        /// What was seen.
        reason: String,
    },
    /// It answered with an error.
    #[error("cannot {doing}: {reason}")]
    Failed {
        /// What was tried.
        doing: String,
        /// What it says.
        reason: String,
    },
    /// The guest changes its memory faster than it can be copied.
    #[error(
        "the copy of memory does not converge: after {passes} passes in {seconds} s the guest, slowed down by {throttle} %, \
         changes {dirty_rate} octets/s and {bandwidth} octets/s can be sent; \
         allow a longer stop (--max-downtime), more bandwidth (--bandwidth) or compression (--compress)"
    )]
    NotConverging {
        /// How often all that had changed was sent.
        passes: u64,
        /// For how long memory was copied.
        seconds: u64,
        /// By how much the guest is slowed down, in per cent.
        throttle: u8,
        /// Octets a second that the guest changes all the same.
        dirty_rate: u64,
        /// Octets a second that were sent.
        bandwidth: u64,
    },
    /// It took too long.
    #[error("cannot {doing}: nothing within {seconds} s")]
    TimedOut {
        /// What was waited for.
        doing: String,
        /// For how long.
        seconds: u64,
    },
}
