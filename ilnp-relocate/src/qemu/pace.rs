//! When a guest is stopped. Decides only: time and figures come in, orders for QEMU come out.
//!
//! By itself QEMU stops the guest the moment it finds so little left that it can be sent within
//! the permitted stop. Here the guest must hear of it first, while it still runs: QEMU is kept from
//! stopping by a permitted stop of 1 ms and, when little is left, by so low a rate that in 1 ms not
//! even a page could be sent. Once what is left really is little, the guest is told, and then QEMU
//! is let go at once.

use std::time::{Duration, Instant};

use crate::hypervisor::{HypervisorError, Progress};

/// The rate that keeps QEMU from stopping: less than a page of 4 KiB a millisecond.
const HOLD: u64 = 2 << 20;
/// More than any link carries, where no rate was asked for.
const UNLIMITED: u64 = 16 << 30;
/// A part of this long, at full rate, is left when the rate is lowered. QEMU keeps to a rate in
/// steps of 100 ms.
const APPROACH: Duration = Duration::from_millis(200);
/// How long it takes to tell the guest, about: it changes memory meanwhile.
const TELLING: Duration = Duration::from_millis(200);
/// How long QEMU may take to stop the guest when it is let go, before it is sped up again: three
/// of its steps.
const STOPPING: Duration = Duration::from_millis(300);
/// The shortest time over which a rate is measured.
const MEASURE: Duration = Duration::from_millis(300);
/// How long the copy may go on beyond ten times what the first pass took.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long no octet may go out.
const STALL: Duration = Duration::from_secs(30);

/// What QEMU tells about a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// Octets sent.
    pub(super) sent: u64,
    /// Octets that are known to be left in this pass.
    pub(super) remaining: u64,
    /// Passes that have begun.
    pub(super) passes: u64,
    /// By how much the guest is slowed down, in per cent.
    pub(super) throttle: u8,
    /// The rate of the last step, in octets a second.
    pub(super) rate: u64,
}

/// What QEMU is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Octets a second.
    pub(super) bandwidth: u64,
    /// The stop that is permitted.
    pub(super) downtime: Duration,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing but to keep the limits.
    Go,
    /// The guest is to be told that it will be stopped; [`Pace::told`] says that it has been.
    Tell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Much is left.
    Copying,
    /// Little is left and the guest is being told.
    Telling,
    /// QEMU has been let go, at this time.
    Stopping(Instant),
    /// QEMU has not stopped the guest when it was let go and decides by itself from now on.
    Free,
}

/// The pace of one copy.
pub(super) struct Pace {
    full: u64,
    max_downtime: Duration,
    started: Instant,
    phase: Phase,
    limits: Limits,
    /// What was seen last.
    last: Sample,
    /// When an octet was last seen to go out.
    moved: Instant,
    /// The pass that goes on: its number, when it began, and what was left then.
    pass: (u64, Instant),
    first_pass: Option<Duration>,
    /// Where the measurement of the rate began.
    measured_from: (Instant, u64),
    /// What can be sent at full rate, in octets a second.
    capacity: Option<u64>,
    /// What the guest changed in the last pass, in octets a second.
    dirty_rate: u64,
}

impl Pace {
    /// A copy that begins now, limited to `bandwidth` octets a second.
    pub(super) fn new(now: Instant, bandwidth: Option<u64>, max_downtime: Duration) -> Self {
        let full = bandwidth.unwrap_or(UNLIMITED).max(1);
        Self {
            full,
            max_downtime: max_downtime.max(Duration::from_millis(1)),
            started: now,
            phase: Phase::Copying,
            limits: Limits {
                bandwidth: full,
                downtime: Duration::from_millis(1),
            },
            last: Sample::default(),
            moved: now,
            pass: (1, now),
            first_pass: None,
            measured_from: (now, 0),
            capacity: None,
            dirty_rate: 0,
        }
    }

    /// What QEMU is to keep to.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// How soon to look again.
    pub(super) fn interval(&self) -> Duration {
        let slow = self.phase == Phase::Copying
            && self.limits.bandwidth == self.full
            && self.first_pass.is_none();
        Duration::from_millis(if slow { 50 } else { 20 })
    }

    /// How far the copy is.
    pub(super) fn progress(&self) -> Progress {
        Progress::Memory {
            sent: self.last.sent,
            remaining: self.last.remaining,
            dirty_rate: self.dirty_rate,
            expected_downtime: self.time_for(self.last.remaining),
            throttle: self.last.throttle,
        }
    }

    /// Takes what QEMU tells.
    ///
    /// # Errors
    /// When the copy has come to a halt, or does not converge.
    pub(super) fn observe(
        &mut self,
        now: Instant,
        sample: Sample,
    ) -> Result<Step, HypervisorError> {
        if sample.sent > self.last.sent {
            self.moved = now;
        } else if now.duration_since(self.moved) >= STALL {
            return Err(HypervisorError::TimedOut {
                doing: "send memory".to_owned(),
                seconds: STALL.as_secs(),
            });
        }
        let new_pass = sample.passes > self.pass.0;
        self.measure(now, sample, new_pass);
        if new_pass {
            let took = now.duration_since(self.pass.1);
            self.first_pass.get_or_insert(took);
            self.dirty_rate = per_second(sample.remaining, took);
            self.pass = (sample.passes, now);
        }
        self.last = sample;
        self.check_patience(now)?;
        let step = self.advance(now);
        self.set_limits();
        Ok(step)
    }

    /// The guest has been told: QEMU is let go.
    pub(super) fn told(&mut self, now: Instant) {
        self.phase = Phase::Stopping(now);
        self.set_limits();
    }

    /// The rate is measured while nothing but the link limits it.
    fn measure(&mut self, now: Instant, sample: Sample, new_pass: bool) {
        let (since, sent) = self.measured_from;
        let took = now.duration_since(since);
        let full = self.limits.bandwidth == self.full;
        if full && took >= MEASURE {
            let rate = per_second(sample.sent.saturating_sub(sent), took);
            // Pages of zeroes take next to nothing, so that a rate may be far below what could be.
            self.capacity = Some(
                self.capacity
                    .map_or(rate, |known| rate.max(known - known / 8))
                    .max(1),
            );
        }
        if !full || took >= MEASURE || new_pass {
            self.measured_from = (now, sample.sent);
        }
    }

    fn check_patience(&self, now: Instant) -> Result<(), HypervisorError> {
        let Some(first_pass) = self.first_pass else {
            return Ok(());
        };
        let elapsed = now.duration_since(self.started);
        if elapsed < first_pass * 10 + PATIENCE {
            return Ok(());
        }
        Err(HypervisorError::NotConverging {
            passes: self.last.passes,
            seconds: elapsed.as_secs(),
            throttle: self.last.throttle,
            dirty_rate: self.dirty_rate,
            bandwidth: self.capacity(),
        })
    }

    fn advance(&mut self, now: Instant) -> Step {
        match self.phase {
            Phase::Copying if self.first_pass.is_some() && self.is_near() => {
                self.phase = Phase::Telling;
                return Step::Tell;
            }
            Phase::Stopping(since) if now.duration_since(since) >= STOPPING => {
                self.phase = Phase::Free
            }
            Phase::Copying | Phase::Telling | Phase::Stopping(_) | Phase::Free => {}
        }
        Step::Go
    }

    /// Whether what is left once the guest has been told can be sent within the permitted stop.
    fn is_near(&self) -> bool {
        let meanwhile = self.dirty_rate.saturating_mul(millis(TELLING)) / 1000;
        self.time_for(self.last.remaining.saturating_add(meanwhile)) <= self.max_downtime
    }

    fn set_limits(&mut self) {
        let slow = self.full.min(HOLD);
        let near = self.capacity().saturating_mul(millis(APPROACH)) / 1000;
        let approach = if self.last.remaining < near && self.last.passes > 0 {
            (self.last.remaining.saturating_mul(1000) / millis(APPROACH)).clamp(slow, self.full)
        } else {
            self.full
        };
        let short = Duration::from_millis(1);
        self.limits = match self.phase {
            Phase::Copying => Limits {
                bandwidth: approach,
                downtime: short,
            },
            Phase::Telling => Limits {
                bandwidth: slow,
                downtime: short,
            },
            // QEMU multiplies the permitted stop with the rate of its last step, which was low: in
            // such units the stop is so much longer.
            Phase::Stopping(_) => {
                let seen = self
                    .last
                    .rate
                    .max(self.limits.bandwidth.min(self.capacity()))
                    .max(1);
                let allowed = u128::from(millis(self.max_downtime)) * u128::from(self.capacity())
                    / u128::from(seen);
                let allowed = u64::try_from(allowed)
                    .unwrap_or(u64::MAX)
                    .clamp(millis(self.max_downtime), 1_000_000);
                Limits {
                    bandwidth: slow,
                    downtime: Duration::from_millis(allowed),
                }
            }
            Phase::Free => Limits {
                bandwidth: self.full,
                downtime: self.max_downtime,
            },
        };
    }

    fn capacity(&self) -> u64 {
        self.capacity.unwrap_or(self.full).min(self.full)
    }

    fn time_for(&self, octets: u64) -> Duration {
        let millis = u128::from(octets) * 1000 / u128::from(self.capacity());
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn per_second(octets: u64, took: Duration) -> u64 {
    octets.saturating_mul(1000) / millis(took).max(1)
}
