//! Token buckets.

use crate::time::Instant;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rate {
    /// So many times a second.
    pub per_second: u32,
    /// So many times at once, after a quiet time.
    pub burst: u32,
}

/// What is left of a [`Rate`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    used: u32,
    since: Instant,
}

impl Bucket {
    /// Takes one if there is one.
    pub fn take(&mut self, now: Instant, rate: Rate) -> bool {
        let passed = (now - self.since).as_nanos() * u128::from(rate.per_second) / 1_000_000_000;
        let refilled = u32::try_from(passed).unwrap_or(u32::MAX);
        if refilled > 0 || self.used == 0 {
            self.used = self.used.saturating_sub(refilled);
            self.since = now;
        }
        let allowed = self.used < rate.burst;
        self.used += u32::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let rate = Rate {
            per_second: 10,
            burst: 3,
        };
        let mut bucket = Bucket::default();
        let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        let taken = |bucket: &mut Bucket, millis| {
            (0..100).filter(|_| bucket.take(at(millis), rate)).count()
        };
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 50), 0);
        assert_eq!(taken(&mut bucket, 100), 1);
        assert_eq!(taken(&mut bucket, 10_000), 3);
    }
}
