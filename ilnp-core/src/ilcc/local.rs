//! This host's own Locators (RFC 6741 §5.1).

use crate::id::{Lifetime, Locator, Preference};
use crate::node::{LocalLocator, LocatorHealth, Slot, SlotIndex};
use crate::time::Instant;
use crate::wire::Record;

/// How many Locators of its own a host uses; what the kernel has beyond that is left alone.
pub const MAX_LOCATORS: usize = SlotIndex::COUNT - 1;
/// Preferences in Locator Updates are this far apart, so that people can read them.
const PREFERENCE_STEP: u16 = 10;

/// A Locator of this host.
#[derive(Clone, Debug)]
pub struct Own {
    /// What the kernel says of it.
    pub given: LocalLocator,
    /// Counts up with every Locator that starts to work.
    since: u64,
    slot: SlotIndex,
}

/// The Locators of this host, best first: those that work before those that are leaving, and among
/// them the one that started to work last.
#[derive(Debug, Default)]
pub struct LocalSet {
    locators: Vec<Own>,
    /// Locators of the place that this host is going to, as long as it is not there: they are
    /// announced and received on. The data path sends from the first one on which it is spoken to.
    future: Vec<Own>,
    /// Whether correspondents are to prefer the future ones.
    leading: bool,
    given: Vec<LocalLocator>,
    given_up: Vec<Locator>,
    sequence: u64,
    slots: [Option<Slot>; SlotIndex::COUNT],
}

impl LocalSet {
    /// Takes the kernel's complete set. Locators that were given up stay so until the kernel has
    /// lost them too. With the first of the future ones this host has arrived, and there is no future
    /// any more.
    ///
    /// Returns whether it has arrived.
    pub fn replace(&mut self, given: Vec<LocalLocator>) -> bool {
        self.given_up
            .retain(|gone| given.iter().any(|own| own.locator == *gone));
        let is_future = |future: &Own| given.iter().any(|own| own.locator == future.given.locator);
        let arrived = self.future.iter().any(is_future);
        let mut future = Vec::new();
        if arrived {
            future = core::mem::take(&mut self.future);
            self.leading = false;
        }
        let mut before = core::mem::take(&mut self.locators);
        let next = self.sequence + 1;
        self.given.clone_from(&given);
        for own in given {
            let locator = own.locator;
            let unfit = !locator.is_usable()
                || self.given_up.contains(&locator)
                || self.locators.len() == MAX_LOCATORS
                || self.contains(locator);
            if unfit {
                continue;
            }
            let known = before.iter().position(|old| old.given.locator == locator);
            let known = known.map(|index| before.swap_remove(index));
            let works = own.health == LocatorHealth::Working;
            let worked = known
                .as_ref()
                .is_some_and(|old| old.given.health == LocatorHealth::Working);
            let since = match &known {
                Some(old) if worked || !works => old.since,
                // What is about to go when it comes is no better than what has worked.
                None if !works => 0,
                _ => next,
            };
            self.sequence = self.sequence.max(since);
            let expected = future.iter().find(|own| own.given.locator == locator);
            self.locators.push(Own {
                given: own,
                since,
                slot: known
                    .as_ref()
                    .or(expected)
                    .map_or(SlotIndex::PREFERRED, |old| old.slot),
            });
        }
        self.settle();
        arrived
    }

    /// This host will be at these Locators, best first. Those that it has already are no news. What
    /// was expected before is forgotten.
    ///
    /// Returns whether there is any.
    pub fn expect(&mut self, given: Vec<LocalLocator>) -> bool {
        self.leading = false;
        let before = core::mem::take(&mut self.future);
        self.distrust_preferred(!before.is_empty());
        for given in given {
            let locator = given.locator;
            let known = self.contains(locator)
                || self.future.iter().any(|own| own.given.locator == locator);
            let room = self.locators.len() + self.future.len() < MAX_LOCATORS;
            if known || !room || !locator.is_usable() {
                continue;
            }
            let old = before.iter().find(|own| own.given.locator == locator);
            self.future.push(Own {
                given,
                since: 0,
                slot: old.map_or(SlotIndex::PREFERRED, |old| old.slot),
            });
        }
        self.settle();
        !self.future.is_empty()
    }

    /// Announces the future Locators before the present ones from now on.
    ///
    /// Returns whether there is any.
    pub const fn lead(&mut self) -> bool {
        self.leading = !self.future.is_empty();
        self.leading
    }

    /// This host stays where it is.
    ///
    /// Returns whether that is news.
    pub fn stay(&mut self) -> bool {
        self.leading = false;
        let planned = !core::mem::take(&mut self.future).is_empty();
        self.distrust_preferred(planned);
        planned
    }

    /// The data path may have taken a planned slot for the preferred one.
    const fn distrust_preferred(&mut self, planned: bool) {
        if planned {
            self.slots[0] = None;
        }
    }

    /// The future Locators, best first, and whether correspondents are to prefer them.
    pub fn future(&self) -> (impl Iterator<Item = Locator>, bool) {
        let locators = self.future.iter().map(|own| own.given.locator);
        (locators, self.leading)
    }

    /// Sends from this Locator from now on. False when it is none of ours.
    pub fn prefer(&mut self, locator: Locator) -> bool {
        self.given_up.retain(|gone| *gone != locator);
        self.replace(self.given.clone());
        self.sequence += 1;
        let sequence = self.sequence;
        let own = self
            .locators
            .iter_mut()
            .find(|own| own.given.locator == locator);
        let found = own.map(|own| own.since = sequence).is_some();
        self.settle();
        found
    }

    /// Uses this Locator no longer, although the kernel has it.
    pub fn give_up(&mut self, locator: Locator) {
        if self.contains(locator) {
            self.locators.retain(|own| own.given.locator != locator);
            self.given_up.push(locator);
        }
    }

    /// Sorts, and gives a slot to every Locator that has none.
    fn settle(&mut self) {
        self.locators.sort_by_key(|own| {
            let leaving = own.given.health == LocatorHealth::Leaving;
            (leaving, core::cmp::Reverse(own.since), own.given.locator)
        });
        let room = MAX_LOCATORS.saturating_sub(self.locators.len());
        self.future.truncate(room);
        let all = || self.locators.iter().chain(&self.future);
        let mut free: Vec<_> = (1..=u8::MAX)
            .rev()
            .map(SlotIndex)
            .filter(|slot| all().all(|own| own.slot != *slot))
            .collect();
        for own in self.locators.iter_mut().chain(&mut self.future) {
            if own.slot == SlotIndex::PREFERRED
                && let Some(free) = free.pop()
            {
                own.slot = free;
            }
        }
    }

    /// The slots that differ from what was taken last, the preferred one first: a move is one write.
    pub fn take_slot_changes(&mut self) -> Vec<(SlotIndex, Option<Slot>)> {
        let mut wanted = [None; SlotIndex::COUNT];
        let preferred = self.locators.first().map(|own| (SlotIndex::PREFERRED, own));
        let own_slots = self.locators.iter().map(|own| (own.slot, own));
        let present = preferred.into_iter().chain(own_slots);
        let present = present.map(|(index, own)| (index, own, false));
        let future = self.future.iter().map(|own| (own.slot, own, true));
        for (index, own, planned) in present.chain(future) {
            if let Some(place) = wanted.get_mut(usize::from(index.0)) {
                *place = Some(Slot {
                    locator: own.given.locator,
                    interface: own.given.interface,
                    router: own.given.router,
                    planned,
                });
            }
        }
        let before = core::mem::replace(&mut self.slots, wanted);
        (0..)
            .map(SlotIndex)
            .zip(before.into_iter().zip(wanted))
            .filter(|(_, (old, new))| old != new)
            .map(|(index, (_, new))| (index, new))
            .collect()
    }

    /// The Locator that packets leave from.
    pub fn preferred(&self) -> Option<Locator> {
        self.locators.first().map(|own| own.given.locator)
    }

    /// Whether this Locator is one of ours.
    pub fn contains(&self, locator: Locator) -> bool {
        self.locators.iter().any(|own| own.given.locator == locator)
    }

    /// The Locators, best first.
    pub fn iter(&self) -> impl Iterator<Item = &Own> {
        self.locators.iter()
    }

    /// The preference of the Locator that stands in this place.
    pub fn preference(place: usize) -> Preference {
        let step = u16::try_from(place + 1).unwrap_or(u16::MAX);
        Preference(step.saturating_mul(PREFERENCE_STEP))
    }

    /// The records of a Locator Update: every Locator (RFC 6743 §4), the future ones as well, with
    /// lifetimes cut to what is left of the advertised ones.
    ///
    /// `number` counts the updates. Lifetimes that are long enough are shortened by a few seconds
    /// that follow it, so that the bodies of consecutive updates differ even when a host returns to
    /// where it was, and an acknowledgement names the update that it answers.
    pub fn records(&self, now: Instant, lifetime: Lifetime, number: u64) -> Vec<Record> {
        const DISTINCT: u64 = 16;
        let mark = number % DISTINCT;
        let (first, last) = match self.leading {
            true => (&self.future, &self.locators),
            false => (&self.locators, &self.future),
        };
        (0..)
            .zip(first.iter().chain(last))
            .map(|(place, own)| {
                let left = own.given.valid_until.map(|end| (end - now).as_secs());
                let secs = left.unwrap_or(u64::MAX).min(lifetime.0.into());
                let secs = if secs > DISTINCT { secs - mark } else { secs };
                Record {
                    locator: own.given.locator,
                    preference: Self::preference(place),
                    lifetime: Lifetime::from_secs_clamped(secs),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locator(n: u64) -> Locator {
        Locator::from_bits(0x2001_0db8_0000_0000 + n)
    }

    fn own(n: u64, health: LocatorHealth) -> LocalLocator {
        LocalLocator {
            locator: locator(n),
            interface: 2,
            router: None,
            health,
            valid_until: None,
            mtu: 1500,
        }
    }

    use LocatorHealth::{Leaving, Working};

    #[test]
    fn the_locator_that_started_to_work_last_is_preferred() {
        let mut set = LocalSet::default();
        set.replace(vec![own(1, Working)]);
        set.replace(vec![own(1, Working), own(2, Working)]);
        assert_eq!(set.preferred(), Some(locator(2)));
        // Nothing changed: it stays.
        set.replace(vec![own(2, Working), own(1, Working)]);
        assert_eq!(set.preferred(), Some(locator(2)));
        // The older one starts to work again.
        set.replace(vec![own(1, Leaving), own(2, Working)]);
        set.replace(vec![own(1, Working), own(2, Working)]);
        assert_eq!(set.preferred(), Some(locator(1)));
    }

    #[test]
    fn a_leaving_locator_stays_listed_behind_working_ones() {
        let mut set = LocalSet::default();
        set.replace(vec![own(1, Working)]);
        set.replace(vec![own(1, Leaving), own(2, Working)]);
        let records = set.records(Instant::ZERO, Lifetime(300), 0);
        let listed: Vec<_> = records
            .iter()
            .map(|r| (r.locator, r.preference.0))
            .collect();
        assert_eq!(listed, [(locator(2), 10), (locator(1), 20)]);
    }

    #[test]
    fn a_locator_that_is_leaving_when_it_comes_is_no_better_than_one_that_has_worked() {
        let mut set = LocalSet::default();
        set.replace(vec![own(2, Working)]);
        set.replace(vec![own(2, Leaving), own(1, Leaving)]);
        assert_eq!(set.preferred(), Some(locator(2)));
        set.replace(vec![own(2, Leaving), own(1, Working)]);
        assert_eq!(set.preferred(), Some(locator(1)));
    }

    #[test]
    fn a_given_up_locator_is_left_out_until_the_kernel_lost_it() {
        let mut set = LocalSet::default();
        set.replace(vec![own(1, Working), own(2, Working)]);
        set.give_up(locator(1));
        set.replace(vec![own(1, Working), own(2, Working)]);
        assert!(!set.contains(locator(1)));
        set.replace(vec![own(2, Working)]);
        set.replace(vec![own(1, Working), own(2, Working)]);
        assert_eq!(set.preferred(), Some(locator(1)));
    }

    #[test]
    fn a_move_changes_the_preferred_slot_first() {
        let mut set = LocalSet::default();
        set.replace(vec![own(1, Working)]);
        assert_eq!(set.take_slot_changes().len(), 2);
        set.replace(vec![own(2, Working)]);
        let changes = set.take_slot_changes();
        assert_eq!(changes[0].0, SlotIndex::PREFERRED);
        assert_eq!(changes[0].1.map(|slot| slot.locator), Some(locator(2)));
        assert!(set.take_slot_changes().is_empty());
    }

    #[test]
    fn consecutive_bodies_differ_even_when_the_locators_are_the_same() {
        let mut set = LocalSet::default();
        set.replace(vec![own(1, Working)]);
        let bodies: Vec<_> = (0..16)
            .map(|n| set.records(Instant::ZERO, Lifetime(300), n))
            .collect();
        for (n, body) in bodies.iter().enumerate() {
            assert!(!bodies[..n].contains(body));
        }
    }

    #[test]
    fn future_locators_are_announced_and_have_slots_but_are_not_sent_from() {
        let listed = |set: &LocalSet| -> Vec<_> {
            let records = set.records(Instant::ZERO, Lifetime(300), 0);
            records.iter().map(|record| record.locator).collect()
        };
        let mut set = LocalSet::default();
        set.replace(vec![own(1, Working)]);
        assert!(!set.expect(vec![own(1, Working)]));
        assert!(!set.lead());
        assert!(set.expect(vec![own(2, Working), own(1, Working), own(2, Working)]));
        assert_eq!(listed(&set), [locator(1), locator(2)]);
        assert!(set.lead());
        assert_eq!(listed(&set), [locator(2), locator(1)]);
        assert_eq!(set.preferred(), Some(locator(1)));
        let slots = set.take_slot_changes();
        let found = slots
            .iter()
            .find(|(_, slot)| slot.is_some_and(|slot| slot.planned));
        let slot = found.unwrap().0;
        // It arrives: one slot changes for the move, one because the old Locator is gone, and what was
        // planned is so no more.
        assert!(set.replace(vec![own(2, Working)]));
        assert_eq!(listed(&set), [locator(2)]);
        let changes: Vec<_> = set.take_slot_changes();
        let indices = [0, 1, 2].map(SlotIndex);
        assert!(
            changes.iter().map(|change| change.0).eq(indices),
            "{changes:?}"
        );
        assert_eq!(changes[2], (slot, changes[0].1));
        assert_eq!(changes[0].1.map(|slot| slot.planned), Some(false));
        assert!(!set.stay());
    }

    #[test]
    fn the_preferred_slot_is_told_again_after_a_plan_that_nothing_became_of() {
        let mut set = LocalSet::default();
        set.replace(vec![own(1, Working)]);
        set.expect(vec![own(2, Working)]);
        set.take_slot_changes();
        set.stay();
        let preferred = set.take_slot_changes()[0];
        assert_eq!(preferred.0, SlotIndex::PREFERRED);
        assert_eq!(preferred.1.map(|slot| slot.locator), Some(locator(1)));
        set.expect(vec![own(2, Working)]);
        set.take_slot_changes();
        set.expect(vec![own(3, Working)]);
        assert_eq!(set.take_slot_changes()[0], preferred);
    }

    #[test]
    fn a_host_that_stays_has_no_future_locators() {
        let mut set = LocalSet::default();
        set.replace(vec![own(1, Working)]);
        set.expect(vec![own(2, Working)]);
        set.lead();
        assert!(!set.replace(vec![own(1, Working), own(3, Working)]));
        assert!(set.stay());
        assert!(!set.stay());
        assert_eq!(set.records(Instant::ZERO, Lifetime(300), 0).len(), 2);
        let future = (4..40).map(|n| own(n, Working)).collect();
        set.expect(future);
        assert_eq!(set.future().0.count(), MAX_LOCATORS - 2);
        set.replace((50..80).map(|n| own(n, Working)).collect());
        assert_eq!(set.future().0.count(), 0);
    }

    #[test]
    fn lifetimes_are_cut_to_what_is_left() {
        let mut set = LocalSet::default();
        let mut given = own(1, Working);
        given.valid_until = Some(Instant::from_nanos(5_000_000_000));
        set.replace(vec![given]);
        let records = set.records(Instant::from_nanos(1_000_000_000), Lifetime(300), 3);
        assert_eq!(records[0].lifetime, Lifetime(4));
    }

    #[test]
    fn no_more_locators_than_slots_and_none_that_is_unusable() {
        let mut set = LocalSet::default();
        let mut given: Vec<_> = (1..40).map(|n| own(n, Working)).collect();
        given.insert(0, own(0, Working));
        given[0].locator = Locator::from_bits(0xfe80 << 48);
        set.replace(given);
        assert_eq!(set.iter().count(), MAX_LOCATORS);
        assert!(set.iter().all(|own| own.given.locator.is_usable()));
        assert_eq!(set.take_slot_changes().len(), SlotIndex::COUNT);
    }
}
