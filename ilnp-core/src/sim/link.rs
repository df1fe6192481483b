//! One direction of a link with seeded impairments.
//!
//! It knows nothing of what it carries, reads no clock and sleeps nowhere: a simulation moves frames
//! through it on a virtual clock, a forwarder between two sockets on a real one.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::time::Instant;

/// How a link treats frames. The default is a perfect one: at once, in order, nothing lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// What every frame takes.
    pub delay: Duration,
    /// The most that is added to the delay, drawn evenly for each frame. Frames stay in order.
    pub jitter: Duration,
    /// The share of frames that is lost, 0 to 1.
    pub loss: f64,
    /// The share of frames that arrives twice, 0 to 1.
    pub duplication: f64,
    /// The share of frames that is held back and overtaken by those behind, 0 to 1.
    pub reordering: f64,
    /// For how long an overtaken frame is held back.
    pub reordering_delay: Duration,
    /// Bits a second; `None` for as fast as they come.
    pub rate: Option<u64>,
    /// How many frames are under way at most; what comes on top is dropped.
    pub limit: usize,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            reordering_delay: Duration::ZERO,
            rate: None,
            limit: 100_000,
        }
    }
}

impl Conditions {
    /// A perfect link with this delay.
    pub fn delay(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }
}

/// What became of a frame that was handed to a [`Link`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is under way.
    Carried,
    /// Two copies of it are under way.
    Duplicated,
    /// It was lost, as [`Conditions::loss`] asks.
    Lost,
    /// There was no room for it.
    Overflowed,
}

/// One direction of a link. The same seed, conditions and frames give the same deliveries.
#[derive(Debug)]
pub struct Link {
    conditions: Conditions,
    random: Xoshiro256PlusPlus,
    under_way: BTreeMap<(Instant, u64), Bytes>,
    carried: u64,
    busy_until: Instant,
    last_due: Instant,
}

impl Link {
    /// A link under these conditions, with its own source of chance.
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            under_way: BTreeMap::new(),
            carried: 0,
            busy_until: Instant::ZERO,
            last_due: Instant::ZERO,
        }
    }

    /// The conditions as they are.
    pub fn conditions(&self) -> Conditions {
        self.conditions
    }

    /// Changes the conditions for the frames to come; those under way keep their due time.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Hands a frame to the link.
    pub fn send(&mut self, now: Instant, frame: Bytes) -> Fate {
        let [lost, duplicated, overtaken] = [
            self.conditions.loss,
            self.conditions.duplication,
            self.conditions.reordering,
        ]
        .map(|share| self.random.random_bool(probability(share)));
        let jitter = self.conditions.jitter.mul_f64(self.random.random());
        if lost {
            return Fate::Lost;
        }
        if self.under_way.len() >= self.conditions.limit {
            return Fate::Overflowed;
        }
        let mut due = self.serialised(now, frame.len()) + self.conditions.delay + jitter;
        if overtaken {
            due = due + self.conditions.reordering_delay;
        } else {
            due = due.max(self.last_due);
            self.last_due = due;
        }
        if duplicated {
            self.put(due, frame.clone());
        }
        self.put(due, frame);
        if duplicated {
            Fate::Duplicated
        } else {
            Fate::Carried
        }
    }

    /// Takes the next frame whose time has come.
    pub fn poll(&mut self, now: Instant) -> Option<Bytes> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// When the next frame arrives.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|((due, _), _)| *due)
    }

    /// When the last bit of a frame of `length` octets has left.
    fn serialised(&mut self, now: Instant, length: usize) -> Instant {
        let Some(rate) = self.conditions.rate else {
            return now;
        };
        let bits = u64::try_from(length).unwrap_or(u64::MAX).saturating_mul(8);
        let nanos = u128::from(bits) * 1_000_000_000 / u128::from(rate.max(1));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.busy_until = self.busy_until.max(now) + Duration::from_nanos(nanos);
        self.busy_until
    }

    fn put(&mut self, due: Instant, frame: Bytes) {
        self.under_way.insert((due, self.carried), frame);
        self.carried += 1;
    }
}

/// The share as a probability; what is no number is none.
fn probability(share: f64) -> f64 {
    if share.is_nan() {
        0.0
    } else {
        share.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn frames(count: u16) -> impl Iterator<Item = Bytes> {
        (0..count).map(|number| Bytes::copy_from_slice(&number.to_be_bytes()))
    }

    /// Sends frames a millisecond apart and returns what arrives, with the arrival times.
    fn run(conditions: Conditions, seed: u64, count: u16) -> Vec<(Instant, u16)> {
        let mut link = Link::new(conditions, seed);
        for (index, frame) in (0u32..).zip(frames(count)) {
            link.send(Instant::ZERO + MS * index, frame);
        }
        let mut arrivals = Vec::new();
        while let Some(due) = link.next_deadline() {
            while let Some(frame) = link.poll(due) {
                arrivals.push((due, u16::from_be_bytes([frame[0], frame[1]])));
            }
        }
        arrivals
    }

    #[test]
    fn a_perfect_link_delays_and_keeps_order() {
        let arrivals = run(Conditions::delay(MS * 25), 1, 100);
        let expected: Vec<_> = (0u16..100)
            .map(|n| (Instant::ZERO + MS * (25 + u32::from(n)), n))
            .collect();
        assert_eq!(arrivals, expected);
    }

    #[test]
    fn the_same_seed_repeats_and_another_does_not() {
        let conditions = Conditions {
            jitter: MS * 10,
            loss: 0.3,
            duplication: 0.1,
            reordering: 0.1,
            reordering_delay: MS * 5,
            ..Conditions::delay(MS * 10)
        };
        assert_eq!(run(conditions, 7, 500), run(conditions, 7, 500));
        assert_ne!(run(conditions, 7, 500), run(conditions, 8, 500));
    }

    #[test]
    fn loses_and_duplicates_the_given_share() {
        let lossy = Conditions {
            loss: 0.3,
            ..Conditions::default()
        };
        let arrived = run(lossy, 3, 10_000).len();
        assert!((6_800..7_200).contains(&arrived), "{arrived}");

        let doubling = Conditions {
            duplication: 0.2,
            ..Conditions::default()
        };
        let arrived = run(doubling, 3, 10_000).len();
        assert!((11_800..12_200).contains(&arrived), "{arrived}");
    }

    #[test]
    fn jitter_keeps_order_and_reordering_breaks_it() {
        let in_order = |arrivals: &[(Instant, u16)]| arrivals.is_sorted_by_key(|(_, n)| *n);
        let jitter = Conditions {
            jitter: MS * 50,
            ..Conditions::default()
        };
        assert!(in_order(&run(jitter, 5, 1_000)));
        let reordering = Conditions {
            reordering: 0.1,
            reordering_delay: MS * 3,
            ..Conditions::default()
        };
        assert!(!in_order(&run(reordering, 5, 1_000)));
    }

    #[test]
    fn a_rate_spaces_frames_and_the_limit_bounds_them() {
        let slow = Conditions {
            rate: Some(16_000), // one two-octet frame a millisecond
            limit: 10,
            ..Conditions::default()
        };
        let mut link = Link::new(slow, 0);
        let fates: Vec<_> = frames(12).map(|f| link.send(Instant::ZERO, f)).collect();
        assert_eq!(fates[..10], [Fate::Carried; 10]);
        assert_eq!(fates[10..], [Fate::Overflowed; 2]);
        for number in 1..=10 {
            let due = Instant::ZERO + MS * number;
            assert_eq!(link.next_deadline(), Some(due));
            assert!(link.poll(due).is_some());
        }
        assert_eq!(link.poll(Instant::ZERO + MS * 11), None);
    }

    #[test]
    fn wild_conditions_are_clamped() {
        let wild = Conditions {
            loss: 7.0,
            duplication: -1.0,
            reordering: f64::NAN,
            rate: Some(0),
            ..Conditions::default()
        };
        let mut link = Link::new(wild, 0);
        assert_eq!(
            link.send(Instant::ZERO, Bytes::from_static(b"x")),
            Fate::Lost
        );
    }
}
