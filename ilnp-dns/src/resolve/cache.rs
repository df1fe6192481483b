//! What own questions were answered, for as long as the TTLs say (DU-09: when an L64
//! record expires, only L64 is asked for again).

use core::time::Duration;
use std::collections::HashMap;

use ilnp_core::time::Instant;

use super::answer::{Answer, Query};

/// How many record sets are kept.
const CAPACITY: usize = 4096;
/// Seconds: no record is kept for longer.
const MAX_TTL: u32 = 86_400;
/// Seconds: that there is no record is forgotten sooner, since a host that is published for the
/// first time has often been asked for before.
const MAX_NEGATIVE_TTL: u32 = 60;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Cache {
    entries: HashMap<Query, Entry>,
}

#[derive(Debug)]
struct Entry {
    answer: Answer,
    since: Instant,
    until: Instant,
}

impl Cache {
    /// What was answered before, with the TTLs that are left.
    pub(crate) fn get(&self, now: Instant, query: &Query) -> Option<Answer> {
        let entry = self.entries.get(query).filter(|entry| now < entry.until)?;
        let age = now.saturating_duration_since(entry.since).as_secs();
        let age = u32::try_from(age).unwrap_or(u32::MAX);
        let mut answer = entry.answer.clone();
        match &mut answer {
            Answer::Records(records) => {
                for record in records {
                    record.ttl = record.ttl.saturating_sub(age);
                }
            }
            Answer::Nothing { ttl } => *ttl = ttl.saturating_sub(age),
            Answer::Alias { .. } | Answer::Failed => {}
        }
        Some(answer)
    }

    /// Keeps an answer, if it may be kept.
    pub(crate) fn insert(&mut self, now: Instant, query: Query, answer: Answer) {
        let ttl = match &answer {
            Answer::Records(records) => {
                let least = records.iter().map(|record| record.ttl).min();
                least.unwrap_or(0).min(MAX_TTL)
            }
            Answer::Nothing { ttl } => (*ttl).min(MAX_NEGATIVE_TTL),
            Answer::Alias { .. } | Answer::Failed => 0,
        };
        // A record of TTL 0 is good for the question that it answers only (RFC 1035 §3.2.1), and
        // an older one of the same set is no longer true.
        if ttl == 0 {
            self.entries.remove(&query);
            return;
        }
        self.make_room(now);
        let until = now + Duration::from_secs(ttl.into());
        let since = now;
        let entry = Entry {
            answer,
            since,
            until,
        };
        self.entries.insert(query, entry);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Once full: what expired goes, or else the half that expires first.
    fn make_room(&mut self, now: Instant) {
        if self.entries.len() < CAPACITY {
            return;
        }
        self.entries.retain(|_, entry| now < entry.until);
        if self.entries.len() < CAPACITY {
            return;
        }
        let mut ends: Vec<_> = self.entries.values().map(|entry| entry.until).collect();
        let (_, &mut median, _) = ends.select_nth_unstable(CAPACITY / 2);
        self.entries.retain(|_, entry| median < entry.until);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::WithTtl;
    use super::*;
    use crate::record::RecordType;

    fn query(name: &str) -> Query {
        Query {
            name: name.parse().unwrap(),
            rtype: RecordType::L64,
        }
    }

    fn records(ttls: &[u32]) -> Answer {
        let record = |&ttl: &u32| WithTtl {
            data: Bytes::from_static(b"data"),
            ttl,
        };
        Answer::Records(ttls.iter().map(record).collect())
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn ttls_count_down_and_the_least_one_ends_the_set() {
        let mut cache = Cache::default();
        cache.insert(at(0), query("a."), records(&[5, 9]));
        assert_eq!(cache.get(at(2500), &query("A.")), Some(records(&[3, 7])));
        assert_eq!(cache.get(at(4999), &query("a.")), Some(records(&[1, 5])));
        assert_eq!(cache.get(at(5000), &query("a.")), None);
        assert_eq!(cache.get(at(0), &query("b.")), None);
    }

    #[test]
    fn ttl_0_and_what_is_no_answer_are_not_kept() {
        let mut cache = Cache::default();
        cache.insert(at(0), query("a."), records(&[5]));
        cache.insert(at(1), query("a."), records(&[9, 0]));
        assert_eq!(cache.get(at(1), &query("a.")), None);
        let target = "b.".parse().unwrap();
        for answer in [
            Answer::Failed,
            Answer::Nothing { ttl: 0 },
            Answer::Alias { target, ttl: 9 },
        ] {
            cache.insert(at(0), query("a."), answer);
            assert_eq!(cache.get(at(0), &query("a.")), None);
        }
    }

    #[test]
    fn absence_is_kept_for_a_minute_at_most() {
        let mut cache = Cache::default();
        cache.insert(at(0), query("a."), Answer::Nothing { ttl: 86_400 });
        assert!(cache.get(at(59_999), &query("a.")).is_some());
        assert_eq!(cache.get(at(60_000), &query("a.")), None);
    }

    #[test]
    fn however_many_names_are_asked_for_it_stays_small() {
        let mut cache = Cache::default();
        for n in 0..3 * CAPACITY {
            let ttl = 10 + u32::try_from(n % 7).unwrap();
            cache.insert(at(0), query(&format!("n{n}.")), records(&[ttl]));
            assert!(cache.entries.len() <= CAPACITY);
        }
        let last = format!("n{}.", 3 * CAPACITY - 1);
        assert!(cache.get(at(0), &query(&last)).is_some());
    }
}
