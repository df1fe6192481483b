//! The bounds of unproved sessions.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::Locator;
use crate::time::Instant;

use super::table::Id;
use super::tentative::{Role, Tentative};

/// The unproved sessions that others began: ordered by when they were last heard of, in all and by
/// the Locator that they claim, so that the oldest makes room.
#[derive(Debug, Default)]
pub struct TentativeQueue {
    all: BTreeSet<(Instant, Id)>,
    by_locator: BTreeSet<(Locator, Instant, Id)>,
    counts: BTreeMap<Locator, usize>,
}

impl TentativeQueue {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Which one must go before another from `source` may come.
    pub fn must_go(&self, source: Locator, per_locator: usize, total: usize) -> Option<Id> {
        if self.counts.get(&source).is_some_and(|&n| n >= per_locator) {
            let mut of_source = self.by_locator.range((source, Instant::ZERO, Id::FIRST)..);
            return of_source.next().map(|&(.., id)| id);
        }
        if self.all.len() >= total {
            return self.oldest().map(|(_, id)| id);
        }
        None
    }

    /// All of them, the one that was not heard of for longest first.
    pub fn iter(&self) -> impl Iterator<Item = Id> {
        self.all.iter().map(|&(_, id)| id)
    }

    /// The one that was not heard of for longest, and when it was.
    pub fn oldest(&self) -> Option<(Instant, Id)> {
        self.all.first().copied()
    }

    /// Adds a session.
    pub fn insert(&mut self, source: Locator, touched: Instant, id: Id) {
        if self.all.insert((touched, id)) {
            self.by_locator.insert((source, touched, id));
            *self.counts.entry(source).or_default() += 1;
        }
    }

    /// Takes a session out.
    pub fn remove(&mut self, source: Locator, touched: Instant, id: Id) {
        if self.all.remove(&(touched, id)) {
            self.by_locator.remove(&(source, touched, id));
            if let Some(count) = self.counts.get_mut(&source) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&source);
                }
            }
        }
    }

    /// Takes a session out that is proved or forgotten, whoever began it.
    pub fn forget(&mut self, id: Id, tentative: &Tentative) {
        if let Role::Responder(source) = tentative.role {
            self.remove(source, tentative.touched, id);
        }
    }

    /// Notes that the sender of a session is somewhere else now.
    pub fn moved(&mut self, id: Id, tentative: &mut Tentative, source: Locator) {
        if let Role::Responder(before) = tentative.role {
            self.remove(before, tentative.touched, id);
            self.insert(source, tentative.touched, id);
            tentative.role = Role::Responder(source);
        }
    }

    /// Notes that a session was heard of, at most once a second.
    pub fn touch(&mut self, now: Instant, id: Id, tentative: &mut Tentative) {
        let Role::Responder(source) = tentative.role else {
            return;
        };
        if (now - tentative.touched).as_secs() >= 1 {
            self.remove(source, tentative.touched, id);
            tentative.touched = now;
            self.insert(source, now, id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_from_one_locator_pushes_out_its_own_sessions_only() {
        let locator = Locator::from_bits;
        let mut queue = TentativeQueue::default();
        let at = Instant::from_nanos;
        queue.insert(locator(1), at(1), Id::FIRST);
        queue.insert(locator(2), at(2), Id::FIRST.next());
        assert_eq!(queue.must_go(locator(3), 1, 3), None);
        assert_eq!(queue.must_go(locator(2), 1, 3), Some(Id::FIRST.next()));
        assert_eq!(queue.must_go(locator(3), 1, 2), Some(Id::FIRST));
        queue.remove(locator(2), at(2), Id::FIRST.next());
        assert_eq!(queue.must_go(locator(2), 1, 3), None);
    }
}
