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
const APPROACH: Duration = Duration::from_millis(400);
/// How long it takes to tell the guest, about: it changes memory meanwhile.
const TELLING: Duration = Duration::from_millis(200);
/// How long QEMU may take to stop the guest when it is let go, before it is sped up again: three
/// of its steps.
const STOPPING: Duration = Duration::from_millis(300);
/// The longest stop that QEMU takes.
const LONGEST_STOP: Duration = Duration::from_secs(2000);
/// The shortest time over which a rate is measured.
const MEASURE: Duration = Duration::from_millis(100);
/// How long the copy may go on beyond ten times what the first pass took.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long no octet may go out.
const STALL: Duration = Duration::from_secs(30);

/// How often to look at what QEMU tells.
pub(super) const INTERVAL: Duration = Duration::from_millis(20);

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
    /// The pass that goes on: its number, and when it began.
    pass: (u64, Instant),
    first_pass: Option<Duration>,
    /// Where the measurement of the rate began.
    measured_from: (Instant, u64),
    /// What can be sent at full rate, in octets a second, once that has been measured.
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
            max_downtime: max_downtime.clamp(Duration::from_millis(1), LONGEST_STOP),
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
        self.measure(now, sample);
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
    fn measure(&mut self, now: Instant, sample: Sample) {
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
        if !full || took >= MEASURE {
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
            Phase::Copying if self.first_pass.is_some() && self.is_near(now) => {
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

    /// Whether what is left once the guest has been told can be sent within the permitted stop:
    /// what is known to be left, and what the guest has changed since this pass began and will
    /// have by then, if it goes on as it did in the last one.
    fn is_near(&self, now: Instant) -> bool {
        let since = millis(now.duration_since(self.pass.1)).saturating_add(millis(TELLING));
        let changed = self.dirty_rate.saturating_mul(since) / 1000;
        let left = self.last.remaining.saturating_add(changed);
        self.capacity.is_some() && self.time_for(left) <= self.max_downtime
    }

    fn set_limits(&mut self) {
        let slow = self.full.min(HOLD);
        let near = self.capacity.unwrap_or(0).saturating_mul(millis(APPROACH)) / 1000;
        let approach = if self.last.remaining < near && self.last.passes > 0 {
            // A guest that changes much would only change more meanwhile.
            let slow = self.dirty_rate.saturating_mul(2).clamp(slow, self.full);
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
                    .clamp(millis(self.max_downtime), millis(LONGEST_STOP));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: u64 = 4096;
    const MIB: u64 = 1 << 20;
    const TICK: Duration = Duration::from_millis(10);

    /// A QEMU 7.2 that copies: what it sends in steps of 100 ms, when it looks for changed pages,
    /// and when it stops the guest.
    struct Copier {
        link: u64,
        dirty_rate: u64,
        memory: u64,
        /// Octets that have changed since they were sent.
        changed: u64,
        remaining: u64,
        sent: u64,
        passes: u64,
        budget: u64,
        step: (u32, u64),
        rate: u64,
    }

    impl Copier {
        fn new(link: u64, dirty_rate: u64, memory: u64) -> Self {
            Self {
                link,
                dirty_rate,
                memory,
                changed: 0,
                remaining: memory,
                sent: 0,
                passes: 1,
                budget: 0,
                step: (0, 0),
                rate: 0,
            }
        }

        /// Lets 10 ms pass; whether QEMU stops the guest.
        fn tick(&mut self, limits: Limits) -> bool {
            if self.step.0 == 10 {
                self.rate = (self.sent - self.step.1) * 10;
                self.step = (0, self.sent);
            }
            if self.step.0 == 0 {
                self.budget = limits.bandwidth / 10;
            }
            self.step.0 += 1;
            self.changed = (self.changed + self.dirty_rate / 100).min(self.memory);
            let mut room = (self.link / 100).min(self.budget);
            let threshold = (self.rate / 1000 * millis(limits.downtime)).max(1);
            loop {
                if self.remaining < threshold {
                    self.remaining += self.changed;
                    self.changed = 0;
                    self.passes += 1;
                    if self.remaining < threshold {
                        return true;
                    }
                }
                let sent = room.min(self.remaining);
                if sent == 0 {
                    return false;
                }
                (room, self.budget) = (room - sent, self.budget - sent);
                (self.remaining, self.sent) = (self.remaining - sent, self.sent + sent);
            }
        }

        fn sample(&self) -> Sample {
            Sample {
                sent: self.sent,
                remaining: self.remaining,
                passes: self.passes,
                throttle: 0,
                rate: self.rate,
            }
        }
    }

    /// What came of a copy, and when: the guest told, the guest stopped, octets left then.
    #[derive(Debug)]
    struct Outcome {
        told: Option<Duration>,
        stopped: Option<Duration>,
        left: u64,
        error: Option<HypervisorError>,
    }

    fn run(bandwidth: Option<u64>, max_downtime: u64, mut copier: Copier) -> Outcome {
        let start = Instant::now();
        let mut pace = Pace::new(start, bandwidth, Duration::from_millis(max_downtime));
        let mut outcome = Outcome {
            told: None,
            stopped: None,
            left: 0,
            error: None,
        };
        let mut look = Duration::ZERO;
        for tick in 0..100_000 {
            let at = TICK * tick;
            if copier.tick(pace.limits()) {
                outcome.stopped = Some(at);
                outcome.left = copier.remaining;
                return outcome;
            }
            if at < look {
                continue;
            }
            look = at + INTERVAL;
            match pace.observe(start + at, copier.sample()) {
                Ok(Step::Tell) => outcome.told = Some(at),
                Ok(Step::Go) => {}
                Err(error) => {
                    outcome.error = Some(error);
                    return outcome;
                }
            }
            if outcome
                .told
                .is_some_and(|told| at >= told + Duration::from_millis(60))
                && pace.phase == Phase::Telling
            {
                pace.told(start + at);
            }
        }
        outcome
    }

    #[test]
    fn a_guest_hears_of_its_stop_shortly_before() {
        for link in [12 * MIB, 128 * MIB, 512 * MIB] {
            for dirty_rate in [8 * PAGE * 100, MIB, link / 20] {
                for bandwidth in [None, Some(link / 2)] {
                    let outcome = run(bandwidth, 300, Copier::new(link, dirty_rate, 150 * MIB));
                    let (Some(told), Some(stopped)) = (outcome.told, outcome.stopped) else {
                        panic!("{link} {dirty_rate} {bandwidth:?}: {outcome:?}");
                    };
                    let wait = stopped - told;
                    assert!(
                        wait >= Duration::from_millis(60) && wait <= Duration::from_millis(600),
                        "{link} {dirty_rate} {bandwidth:?}: {wait:?}"
                    );
                    let rate = bandwidth.unwrap_or(link);
                    assert!(
                        outcome.left <= rate * 300 / 1000 * 12 / 10,
                        "{link} {dirty_rate}: {} octets left",
                        outcome.left
                    );
                }
            }
        }
    }

    #[test]
    fn a_guest_that_changes_too_much_is_given_up_in_time() {
        let outcome = run(
            Some(16 * MIB),
            300,
            Copier::new(100 * MIB, 64 * MIB, 160 * MIB),
        );
        assert!(outcome.told.is_none() && outcome.stopped.is_none());
        let Some(HypervisorError::NotConverging {
            seconds, passes, ..
        }) = outcome.error
        else {
            panic!("{outcome:?}");
        };
        assert!(
            (100..=140).contains(&seconds) && passes > 5,
            "{seconds} s, {passes} passes"
        );
    }

    #[test]
    fn a_stalled_copy_is_given_up() {
        let outcome = run(None, 300, Copier::new(0, MIB, 160 * MIB));
        assert!(
            matches!(
                outcome.error,
                Some(HypervisorError::TimedOut { seconds: 30, .. })
            ),
            "{outcome:?}"
        );
    }

    proptest! {
        #[test]
        fn limits_stay_within_what_was_asked_for(
            bandwidth in proptest::option::of(0..=u64::MAX),
            max_downtime in 0..=u64::MAX / 2,
            samples in proptest::collection::vec((any::<u64>(), any::<u64>(), 0..100_u64, any::<u64>(), 0..5000_u64), 0..40),
        ) {
            let mut now = Instant::now();
            let mut pace = Pace::new(now, bandwidth, Duration::from_millis(max_downtime));
            for (sent, remaining, passes, rate, wait) in samples {
                now += Duration::from_millis(wait);
                match pace.observe(now, Sample { sent, remaining, passes, throttle: 0, rate }) {
                    Ok(Step::Tell) => pace.told(now),
                    Ok(Step::Go) => {}
                    Err(_) => break,
                }
                let _ = pace.progress();
                prop_assert!(pace.limits().bandwidth <= bandwidth.unwrap_or(UNLIMITED).max(1));
                prop_assert!(pace.limits().bandwidth > 0 && pace.limits().downtime >= Duration::from_millis(1));
            }
        }
    }
}
