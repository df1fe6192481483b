//! What the hypervisors' agents say of the move of a virtual machine.

use std::time::Duration;

use ilnp_relocate::report::{Phase, Report, Sent, Told};
use serde::Serialize;

use super::since;

/// A relocation, as the agent of the hypervisor that the machine left reports it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RelocationReport {
    /// Whether the machine's daemon was told before.
    pub prepared: bool,
    /// For how long the machine stood still by QEMU's own account.
    pub downtime_ms: Option<f64>,
    /// From the stop of the machine until the hypervisor that it left knew that it runs at the other.
    pub stopped_ms: Option<f64>,
    /// What happened, in order.
    pub phases: Vec<PhaseReport>,
    /// Octets of memory, of disks, and of both as they went between the agents.
    pub sent: Sent,
    /// What the daemon told after the move, in milliseconds since it noticed.
    pub told: Vec<Told>,
}

/// A part of a relocation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PhaseReport {
    /// Which.
    pub phase: Phase,
    /// When it began.
    pub at_ms: f64,
    /// How long it took; unknown of the last one.
    pub took_ms: Option<f64>,
}

impl RelocationReport {
    /// `cut` is when the machine was stopped and `start` when the run began, both on the clock of the
    /// run, which is not that of the agents.
    pub(super) fn new(report: &Report, cut: Duration, start: Duration) -> Self {
        let mut phases = report.phases.iter();
        let stop = phases.find(|one| one.phase == Phase::Stop);
        let stop = stop.map_or(0.0, |one| one.at_ms);
        Self {
            prepared: report.soft,
            downtime_ms: report.downtime_ms,
            stopped_ms: report.stopped_ms,
            phases: report
                .phases
                .iter()
                .map(|one| PhaseReport {
                    phase: one.phase,
                    at_ms: since(start, cut) + one.at_ms - stop,
                    took_ms: one.took_ms,
                })
                .collect(),
            sent: report.sent,
            told: report.told.clone(),
        }
    }

    /// How long the copy went on while the machine ran.
    pub(super) fn copied_ms(&self) -> f64 {
        let copies = |phase| matches!(phase, Phase::Disks | Phase::Memory);
        let phases = self.phases.iter().filter(|one| copies(one.phase));
        phases.filter_map(|one| one.took_ms).sum()
    }
}
