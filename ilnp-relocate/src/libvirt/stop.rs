//! The moment when a guest stands still, as `virsh event` tells it.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use super::virsh::{VIRSH, Virsh};
use crate::hypervisor::HypervisorError;

/// What `virsh` prints when a migration has stopped its guest.
const STOPPED: &str = ": Suspended Migrated";
/// In seconds: one that an agent has left behind when it was killed ends by itself.
const LIFETIME: &str = "86400";

/// Listens to the daemon's events. It takes some milliseconds until it does: it is started before
/// the migration.
pub(super) struct Stop {
    child: Child,
}

impl Stop {
    pub(super) fn watch(virsh: &Virsh) -> Result<Self, HypervisorError> {
        let doing = "watch the domain";
        let child = virsh
            .command(
                "event",
                &["--event", "lifecycle", "--loop", "--timeout", LIFETIME],
            )
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| VIRSH.not_started(doing, &error))?;
        Ok(Self { child })
    }

    /// Returns once the guest stands still; never when that cannot be seen.
    pub(super) async fn seen(&mut self) {
        if let Some(stdout) = self.child.stdout.take() {
            // An event is a short line.
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains(STOPPED) {
                    return;
                }
            }
        }
        std::future::pending().await
    }
}
