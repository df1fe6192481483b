//! Updates that come twice (RFC 8945 §5.2.3).
//!
//! A signature holds for minutes, and whoever saw an update could bring a host's old Locators back
//! with it. So each one is done once. A copy of the last one is answered as the original was, which is
//! what a sender needs whose answer was lost; a copy of an earlier one is refused, and so is one that
//! is older than all that are remembered. One that was merely overtaken on its way is done.

use std::collections::{HashMap, VecDeque};

use crate::message::Rcode;
use crate::name::Name;
use crate::tsig::FUDGE;

/// How many updates are remembered for each key.
const REMEMBERED: usize = 4096;

/// What tells an update from any other: when it was signed, and a digest of its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Fingerprint {
    pub(in crate::server) signed: u64,
    pub(in crate::server) digest: u64,
}

/// What is known of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is new.
    Never,
    /// It was answered like this, and none after it.
    Answered(Rcode),
    /// It was answered before others were, or it is older than those that are remembered.
    TooOld,
}

/// The updates of the last minutes, by key.
#[derive(Debug, Default)]
pub(super) struct Memory {
    keys: HashMap<Name, Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    answers: HashMap<u64, Rcode>,
    /// As they were done.
    order: VecDeque<Fingerprint>,
    /// Updates that were signed before are not remembered any more.
    floor: u64,
}

impl Memory {
    /// Says whether an update was done already. Of one that is not signed nothing is known.
    pub(super) fn look_up(&self, key: Option<&Name>, update: Option<Fingerprint>) -> Seen {
        let recent = key.and_then(|key| self.keys.get(key));
        let (Some(recent), Some(update)) = (recent, update) else {
            return Seen::Never;
        };
        match recent.answers.get(&update.digest) {
            Some(rcode) if recent.order.back() == Some(&update) => Seen::Answered(*rcode),
            Some(_) => Seen::TooOld,
            None if update.signed < recent.floor => Seen::TooOld,
            None => Seen::Never,
        }
    }

    /// Remembers how an update was answered.
    pub(super) fn remember(&mut self, key: &Name, update: Fingerprint, rcode: Rcode, now: u64) {
        let recent = self.keys.entry(key.clone()).or_default();
        if recent.answers.insert(update.digest, rcode).is_none() {
            recent.order.push_back(update);
        }
        while recent.has_surplus(now) {
            recent.forget_oldest();
        }
    }
}

impl Recent {
    /// Whether there are too many, or one whose signature does not hold any more.
    fn has_surplus(&self, now: u64) -> bool {
        let holds = |update: &Fingerprint| update.signed + u64::from(FUDGE) >= now;
        self.order.len() > REMEMBERED || self.order.front().is_some_and(|oldest| !holds(oldest))
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            self.answers.remove(&oldest.digest);
            self.floor = self.floor.max(oldest.signed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(signed: u64, digest: u64) -> Fingerprint {
        Fingerprint { signed, digest }
    }

    fn some(signed: u64, digest: u64) -> Option<Fingerprint> {
        Some(update(signed, digest))
    }

    #[test]
    fn a_copy_is_answered_like_the_original_until_another_is_done() {
        let (mut memory, key) = (Memory::default(), "k.".parse().unwrap());
        assert_eq!(memory.look_up(Some(&key), some(10, 1)), Seen::Never);
        memory.remember(&key, update(10, 1), Rcode::NXRRSET, 10);
        let seen = memory.look_up(Some(&key), some(10, 1));
        assert_eq!(seen, Seen::Answered(Rcode::NXRRSET));
        assert_eq!(memory.look_up(Some(&key), some(9, 2)), Seen::Never);
        // Signed in the same second.
        memory.remember(&key, update(10, 3), Rcode::NOERROR, 10);
        assert_eq!(memory.look_up(Some(&key), some(10, 1)), Seen::TooOld);
        let other = "l.".parse().unwrap();
        assert_eq!(memory.look_up(Some(&other), some(10, 1)), Seen::Never);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_older_is_refused() {
        let (mut memory, key) = (Memory::default(), "k.".parse().unwrap());
        for number in 0..REMEMBERED as u64 + 10 {
            memory.remember(
                &key,
                update(100 + number, number),
                Rcode::NOERROR,
                100 + number,
            );
        }
        let recent = &memory.keys[&key];
        assert!(recent.order.len() <= REMEMBERED && recent.answers.len() == recent.order.len());
        assert_eq!(memory.look_up(Some(&key), some(101, 1)), Seen::TooOld);
        assert_eq!(
            memory.look_up(Some(&key), some(102, 1_000_000)),
            Seen::TooOld
        );
    }

    #[test]
    fn what_was_signed_in_the_same_second_as_what_was_forgotten_is_new() {
        let (mut memory, key) = (Memory::default(), "k.".parse().unwrap());
        for number in 0..2 * REMEMBERED as u64 {
            memory.remember(&key, update(100, number), Rcode::NOERROR, 100);
        }
        assert_eq!(memory.look_up(Some(&key), some(100, u64::MAX)), Seen::Never);
    }

    #[test]
    fn what_does_not_hold_any_more_is_forgotten() {
        let (mut memory, key) = (Memory::default(), "k.".parse().unwrap());
        memory.remember(&key, update(100, 1), Rcode::NOERROR, 100);
        memory.remember(&key, update(500, 2), Rcode::NOERROR, 500);
        assert_eq!(memory.keys[&key].order, [update(500, 2)]);
    }
}
