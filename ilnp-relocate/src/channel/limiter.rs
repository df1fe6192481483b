//! The pace of a relocation's copies: a token bucket, told as time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What may be caught up after a pause, in time at the full rate. Short, so that neighbours on the
/// link see no bursts; longer than timers are late.
const BURST: Duration = Duration::from_millis(10);

/// Lets octets pass at a rate. Copies share it: all of them together keep to the rate, and each gets
/// its turn in the order of asking.
///
/// The rate counts what hypervisors write. On the wire it is some 3 % more, for TLS, TCP and IPv6.
#[derive(Clone, Debug, Default)]
pub struct Limiter(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    bucket: Mutex<Bucket>,
    /// Whoever holds it is next. It is fair.
    turn: tokio::sync::Mutex<()>,
    changed: Notify,
}

impl Limiter {
    /// With `rate` octets a second; `None` for as fast as it goes.
    #[must_use]
    pub fn new(rate: Option<u64>) -> Self {
        let limiter = Self::default();
        limiter.set(rate);
        limiter
    }

    /// Changes the rate, for those who wait already, too. A rate of 0 is 1.
    pub fn set(&self, rate: Option<u64>) {
        self.bucket()
            .set(Instant::now(), rate.map(|rate| rate.max(1)));
        self.0.changed.notify_waiters();
    }

    /// The rate in octets a second.
    #[must_use]
    pub fn rate(&self) -> Option<u64> {
        self.bucket().rate
    }

    /// Waits until `octets` more may go.
    ///
    /// # Cancellation
    /// Who is dropped while waiting has taken nothing.
    pub async fn take(&self, octets: usize) {
        if self.rate().is_none() {
            return;
        }
        let _turn = self.0.turn.lock().await;
        loop {
            // Before the look at the bucket: no change is missed.
            let changed = self.0.changed.notified();
            let taken = self.bucket().take(Instant::now(), octets);
            let Err(until) = taken else {
                return;
            };
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                () = changed => {}
            }
        }
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        // Every state of it is a whole one.
        self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the next octets may go, if what went so far had gone at the rate.
#[derive(Debug, Default)]
struct Bucket {
    rate: Option<u64>,
    next: Option<Instant>,
}

impl Bucket {
    fn set(&mut self, now: Instant, rate: Option<u64>) {
        // What has gone too early is made good at the new rate.
        self.next = match (self.rate, rate, self.next) {
            (Some(old), Some(new), Some(next)) => {
                let ahead = scale(next.saturating_duration_since(now), old, new);
                Some(now + ahead)
            }
            _ => None,
        };
        self.rate = rate;
    }

    /// Takes octets, or says when to come again.
    fn take(&mut self, now: Instant, octets: usize) -> Result<(), Instant> {
        let Some(rate) = self.rate else {
            return Ok(());
        };
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let next = self.next.map_or(earliest, |next| next.max(earliest));
        if next > now {
            return Err(next);
        }
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        self.next = Some(next + scale(Duration::from_secs(1), octets, rate));
        Ok(())
    }
}

/// `time * numerator / denominator`, at most some years.
fn scale(time: Duration, numerator: u64, denominator: u64) -> Duration {
    const LONGEST: u128 = 1 << 57;
    let nanoseconds =
        time.as_nanos().min(LONGEST) * u128::from(numerator) / u128::from(denominator);
    Duration::from_nanos(u64::try_from(nanoseconds.min(LONGEST)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::{BURST, Bucket, Limiter};

    const CHUNK: usize = 64 * 1024;

    /// How many octets go from `now` on until `until`, when all that may goes.
    fn drain(bucket: &mut Bucket, mut now: Instant, until: Instant) -> usize {
        let mut taken = 0;
        loop {
            match bucket.take(now, CHUNK) {
                Ok(()) => taken += CHUNK,
                Err(next) if next < until => now = next,
                Err(_) => return taken,
            }
        }
    }

    #[test]
    fn the_rate_is_kept_and_a_change_counts_at_once() {
        let second = Duration::from_secs(1);
        let mut now = Instant::now();
        let mut bucket = Bucket::default();
        let mut expect = |bucket: &mut Bucket, rate: usize| {
            bucket.set(now, Some(rate as u64));
            let taken = drain(bucket, now, now + second);
            now += second;
            let most = rate + rate / 100 + CHUNK;
            assert!((rate - CHUNK..=most).contains(&taken), "{taken} at {rate}");
        };
        expect(&mut bucket, 10_000_000);
        expect(&mut bucket, 100_000_000);
        // One chunk went before its time: at the new rate the next would come in 18 hours.
        bucket.set(now + second, Some(1));
        bucket.take(now + second, CHUNK).unwrap();
        bucket.take(now + second, CHUNK).unwrap_err();
    }

    #[tokio::test]
    async fn copies_take_turns_and_who_waits_hears_of_a_change() {
        let limiter = Limiter::new(Some(40_000_000));
        let counts: [_; 4] = core::array::from_fn(|_| Arc::new(AtomicUsize::new(0)));
        let tasks = counts.each_ref().map(|taken| {
            let (limiter, taken) = (limiter.clone(), taken.clone());
            tokio::spawn(async move {
                loop {
                    limiter.take(CHUNK).await;
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
        let taken = counts.each_ref().map(|taken| taken.load(Ordering::Relaxed));
        let (least, most) = (taken.iter().min().unwrap(), taken.iter().max().unwrap());
        // The first one may have taken the burst before the others had begun.
        assert!(*least > 0 && most - least <= 8, "{taken:?}");
        for task in tasks {
            task.abort();
        }

        // At this rate it would take days.
        limiter.set(Some(1));
        let _ = tokio::time::timeout(Duration::from_millis(1), limiter.take(CHUNK)).await;
        let waiting = tokio::time::timeout(Duration::from_secs(20), limiter.take(CHUNK));
        let (waited, ()) = tokio::join!(waiting, async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            limiter.set(Some(100_000_000));
        });
        waited.unwrap();
        limiter.set(None);
        limiter.take(usize::MAX).await;
    }

    proptest! {
        #[test]
        fn never_more_than_the_rate_and_a_burst_in_any_span(
            rate in 1_000_u64..2_000_000_000,
            steps in prop::collection::vec((1_usize..CHUNK, 0_u64..20_000_000), 1..200),
        ) {
            let begun = Instant::now();
            let mut now = begun;
            let mut bucket = Bucket { rate: Some(rate), next: None };
            let (mut taken, mut last) = (0_u64, 0);
            for (octets, pause) in steps {
                now += Duration::from_nanos(pause);
                while let Err(until) = bucket.take(now, octets) {
                    prop_assert!(until > now);
                    now = until;
                }
                taken += octets as u64;
                last = octets as u64;
            }
            let allowed = (now - begun + BURST).as_secs_f64() * rate as f64;
            prop_assert!((taken - last) as f64 <= allowed + 1.0, "{taken} of {allowed}");
        }

        #[test]
        fn any_rate_and_amount_can_be_told(
            rates in prop::collection::vec(any::<Option<u64>>(), 1..20),
            octets in any::<usize>(),
        ) {
            let limiter = Limiter::new(None);
            for rate in rates {
                limiter.set(rate);
                let _ = limiter.bucket().take(Instant::now(), octets);
            }
        }
    }
}
