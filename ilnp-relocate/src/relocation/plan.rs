//! What an operator asks for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::hypervisor::{Plan, Storage};
use crate::site::Site;

/// How long a guest may stand still when nothing is said: the estimate that QEMU stops it at.
const MAX_DOWNTIME_MS: u64 = 300;
/// How long a relocation may take until the hand-over when nothing is said.
const TIMEOUT_S: u64 = 3600;

/// An order to move a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveOrder {
    /// Where to.
    pub to: Site,
    /// Which part of the disks travels.
    #[serde(default)]
    pub storage: Storage,
    /// How long the guest may stand still, by the hypervisor's estimate, in milliseconds.
    #[serde(default = "default_max_downtime")]
    pub max_downtime_ms: u64,
    /// Octets a second that all copies together may take.
    #[serde(default)]
    pub bandwidth: Option<u64>,
    /// Whether memory is compressed.
    #[serde(default)]
    pub compress: bool,
    /// Whether the guest is told in advance.
    #[serde(default)]
    pub mode: Mode,
    /// After how many seconds a relocation that has not come to its end is aborted.
    #[serde(default = "default_timeout")]
    pub timeout_s: u64,
    /// Whether the guest may run at the target before all of its memory is there.
    #[serde(default)]
    pub post_copy: bool,
}

fn default_max_downtime() -> u64 {
    MAX_DOWNTIME_MS
}

fn default_timeout() -> u64 {
    TIMEOUT_S
}

/// Whether a guest is told in advance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// If it has a port that answers.
    #[default]
    IfPossible,
    /// Yes, or there is no move.
    Soft,
    /// No.
    Hard,
}

impl MoveOrder {
    /// A move of which nothing more is said.
    #[must_use]
    pub fn to(to: Site) -> Self {
        Self {
            to,
            storage: Storage::default(),
            max_downtime_ms: MAX_DOWNTIME_MS,
            bandwidth: None,
            compress: false,
            mode: Mode::default(),
            timeout_s: TIMEOUT_S,
            post_copy: false,
        }
    }

    /// Says what is wrong with it, if anything is.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        match self {
            Self {
                max_downtime_ms: 0, ..
            } => {
                Some("a guest cannot be moved without any downtime: max-downtime is at least 1 ms")
            }
            Self { timeout_s: 0, .. } => Some("a timeout is at least 1 s"),
            Self {
                bandwidth: Some(0), ..
            } => Some("nothing can be copied with no bandwidth"),
            _ => None,
        }
    }

    pub(super) fn plan(&self) -> Plan {
        Plan {
            storage: self.storage,
            max_downtime: Duration::from_millis(self.max_downtime_ms),
            bandwidth: self.bandwidth,
            compress: self.compress,
            post_copy: self.post_copy,
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}
