//! When something arrived, and how long nothing did.

use std::time::Duration;

use crate::time::Instant;

/// The arrivals of one stream at one end.
#[derive(Clone, Debug)]
pub struct Progress {
    last: Instant,
    count: u64,
    /// Pauses between neighbouring arrivals that are longer than any before.
    longest: Duration,
    longest_began: Instant,
}

impl Progress {
    /// Nothing arrived yet; the first pause begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            last: now,
            count: 0,
            longest: Duration::ZERO,
            longest_began: now,
        }
    }

    pub(super) fn record(&mut self, now: Instant) {
        let pause = now - self.last;
        if pause > self.longest {
            self.longest = pause;
            self.longest_began = self.last;
        }
        self.last = now;
        self.count += 1;
    }

    /// Forgets the longest pause, so that one move can be measured after another.
    pub fn restart(&mut self, now: Instant) {
        self.longest = Duration::ZERO;
        self.longest_began = now;
    }

    /// When something last arrived.
    pub fn last(&self) -> Instant {
        self.last
    }

    /// How many times something arrived.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest time between two arrivals, the time since the last one included.
    pub fn longest_pause(&self, now: Instant) -> Duration {
        self.longest.max(now - self.last)
    }
}
