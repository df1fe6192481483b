//! How long to wait for an answer, and until the next try.

use std::time::Duration;

use super::super::problem::Problem;

/// For how long an answer is awaited: first and at most.
const PATIENCE: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(4)];
/// The pause after a failure that may be over soon: first and at most. Right after a move there
/// may be no route for a moment.
const SHORT: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];
/// The pause after one that somebody has to mend: first and at most.
const LONG: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];

/// Waits that double with each failure.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            random: seed,
        }
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait for an answer.
    pub(super) fn patience(&self) -> Duration {
        self.doubled(PATIENCE)
    }

    /// How long to wait after a failure: up to a quarter less than doubling gives, so that the
    /// hosts of a site that moves do not keep in step.
    pub(super) fn pause(&mut self, problem: &Problem) -> Duration {
        let pause = self.doubled(if problem.is_lasting() { LONG } else { SHORT });
        self.failures = self.failures.saturating_add(1);
        // Knuth's linear congruential generator; the upper bits are the good ones.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005);
        self.random = self.random.wrapping_add(1_442_695_040_888_963_407);
        let share = u32::from(self.random.to_be_bytes()[0]);
        pause - pause / 4 * share / 256
    }

    fn doubled(&self, [first, most]: [Duration; 2]) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        first.saturating_mul(factor).min(most)
    }
}
