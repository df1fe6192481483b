//! How fast memory is copied, and when the guest may be stopped.
//!
//! libvirt stops a guest by itself, once what is left can be sent within its limit of downtime, and
//! does not ask. The guest is to be told before. So the limit is as low as it can be until what is
//! left is little; and since an idle guest changes less than even that limit allows, the first pass
//! over its memory takes its time, and ends slowly: slowly enough to be seen, and for the guest to
//! change too much meanwhile. A guest that changes nothing at all is stopped untold.

use std::time::Duration;

use super::job::Job;

/// libvirt's smallest limit of downtime, in milliseconds.
pub(super) const NO_DOWNTIME: u64 = 1;
/// libvirt's lowest rate, in MiB a second. What it sends within the smallest limit is less than a
/// page: even an idle guest changes more.
pub(super) const SLOW: u64 = 1;
/// How long the rest of the first pass is to take at least. Several looks fit into it.
const IN_SIGHT: Duration = Duration::from_millis(400);
/// How long libvirt may take to stop a guest that was told. One that still runs then is told again.
const AT_ONCE: Duration = Duration::from_secs(2);
const MEBIBYTE: u64 = 1 << 20;
/// How long memory may be copied again and again...
const PATIENCE: Duration = Duration::from_secs(120);
/// ...or if that is longer, this many times the length of the first pass.
const PATIENCE_PASSES: u32 = 10;

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Wait,
    /// Copy at this rate, in MiB a second.
    Rate(u64),
    /// Tell the guest, and then let it be stopped.
    Stop,
    /// The guest changes its memory faster than it is copied.
    GiveUp,
}

/// Decides by what libvirt says of its job. It has no clock: the time comes with each look.
#[derive(Debug)]
pub(super) struct Pace {
    /// The rate that the operator allows, in MiB a second.
    full: u64,
    /// The rate of the first pass.
    first: u64,
    max_downtime: Duration,
    rate: u64,
    /// The highest rate seen, in octets a second: what the line carries.
    line: u64,
    /// When the first pass began and ended.
    first_pass: Option<Duration>,
    second_pass: Option<Duration>,
    /// When the guest was told last that it will be stopped.
    told: Option<Duration>,
}

impl Pace {
    /// For a guest with so many octets of memory.
    pub(super) fn new(full: u64, memory: u64, max_downtime: Duration) -> Self {
        // All of it in a second: less is used, and no look would see it.
        let first = full.min((memory / MEBIBYTE).max(SLOW));
        Self {
            full,
            first,
            max_downtime,
            rate: first,
            line: 0,
            first_pass: None,
            second_pass: None,
            told: None,
        }
    }

    /// The rate to begin with.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn full(&self) -> u64 {
        self.full
    }

    pub(super) fn max_downtime(&self) -> Duration {
        self.max_downtime
    }

    /// The next step, `now` after the copy began.
    pub(super) fn next(&mut self, now: Duration, job: &Job) -> Step {
        if job.pass == 0 {
            return Step::Wait;
        }
        self.line = self.line.max(job.rate);
        let began = *self.first_pass.get_or_insert(now);
        if job.pass == 1 {
            return self.at(self.rate_of_first_pass(job.memory_remaining));
        }
        let ended = *self.second_pass.get_or_insert(now);
        if self
            .told
            .is_some_and(|told| now.saturating_sub(told) < AT_ONCE)
        {
            return Step::Wait;
        }
        if self.fits(job.memory_remaining) {
            self.told = Some(now);
            self.rate = self.full;
            return Step::Stop;
        }
        let first_pass = ended.saturating_sub(began);
        if now.saturating_sub(ended) > PATIENCE.max(first_pass * PATIENCE_PASSES) {
            return Step::GiveUp;
        }
        self.at(self.full)
    }

    fn at(&mut self, rate: u64) -> Step {
        if rate == self.rate {
            return Step::Wait;
        }
        self.rate = rate;
        Step::Rate(rate)
    }

    fn rate_of_first_pass(&self, remaining: u64) -> u64 {
        let in_sight = u64::try_from(IN_SIGHT.as_millis()).unwrap_or(u64::MAX);
        let unhurried = remaining.saturating_mul(1000) / in_sight / MEBIBYTE;
        let unhurried = unhurried.max(SLOW);
        // Not faster than the line is a rate that slows nothing down.
        if unhurried >= self.line / MEBIBYTE {
            self.first
        } else {
            unhurried.min(self.first)
        }
    }

    /// Whether the rest can be sent within the guest's downtime.
    fn fits(&self, remaining: u64) -> bool {
        let millis = u64::try_from(self.max_downtime.as_millis()).unwrap_or(u64::MAX);
        remaining <= self.line.saturating_mul(millis) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn look(pass: u64, remaining: u64) -> Job {
        Job {
            running: true,
            pass,
            rate: 100 * MEBIBYTE,
            memory_remaining: remaining,
            ..Job::default()
        }
    }

    fn pace() -> Pace {
        Pace::new(128, 1 << 30, Duration::from_millis(100))
    }

    #[test]
    fn the_first_pass_ends_slowly() {
        let mut pace = pace();
        assert_eq!(pace.next(SECOND, &look(0, 0)), Step::Wait);
        assert_eq!(pace.next(SECOND, &look(1, 512 * MEBIBYTE)), Step::Wait);
        assert_eq!(pace.next(SECOND, &look(1, 20 * MEBIBYTE)), Step::Rate(50));
        assert_eq!(pace.next(SECOND, &look(1, 10 * MEBIBYTE)), Step::Rate(25));
        assert_eq!(pace.next(SECOND, &look(1, MEBIBYTE)), Step::Rate(2));
        assert_eq!(pace.next(SECOND, &look(1, 4096)), Step::Rate(SLOW));
    }

    #[test]
    fn a_small_guest_begins_slowly() {
        let pace = Pace::new(u64::MAX, 192 * MEBIBYTE, Duration::from_millis(100));
        assert_eq!((pace.first(), pace.full()), (192, u64::MAX));
    }

    #[test]
    fn an_operator_may_allow_no_more_than_slow() {
        let mut pace = Pace::new(1, 1 << 30, Duration::from_millis(100));
        assert_eq!(pace.next(SECOND, &look(1, MEBIBYTE)), Step::Wait);
    }

    #[test]
    fn a_guest_is_stopped_when_the_rest_fits() {
        let mut pace = pace();
        pace.next(SECOND, &look(1, MEBIBYTE));
        // 100 MiB/s for 100 ms.
        assert_eq!(pace.next(SECOND, &look(2, 11 * MEBIBYTE)), Step::Rate(128));
        assert_eq!(pace.next(SECOND, &look(3, 10 * MEBIBYTE)), Step::Stop);
        assert_eq!(pace.next(2 * SECOND, &look(4, MEBIBYTE)), Step::Wait);
        assert_eq!(pace.next(4 * SECOND, &look(5, MEBIBYTE)), Step::Stop);
    }

    #[test]
    fn patience_grows_with_the_guest() {
        let busy = look(2, 50 * MEBIBYTE);
        let mut small = pace();
        small.next(SECOND, &look(1, 512 * MEBIBYTE));
        small.next(2 * SECOND, &busy);
        assert_ne!(small.next(120 * SECOND, &busy), Step::GiveUp);
        assert_eq!(small.next(123 * SECOND, &busy), Step::GiveUp);
        let mut large = pace();
        large.next(SECOND, &look(1, 512 * MEBIBYTE));
        large.next(101 * SECOND, &busy);
        assert_ne!(large.next(1100 * SECOND, &busy), Step::GiveUp);
        assert_eq!(large.next(1102 * SECOND, &busy), Step::GiveUp);
    }
}
