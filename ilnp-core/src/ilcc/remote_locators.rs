//! A correspondent's Locators, and which of them packets go to.

use std::collections::BTreeSet;

use crate::id::{Lifetime, Locator, Preference};
use crate::node::{PathEntry, PathLocator, RemoteLocator};
use crate::time::Instant;
use crate::wire::Record;

use super::nonces::NonceVerified;

/// How many Locators that a correspondent had before are remembered, in case its latest news are
/// wrong or both ends move at once.
const FORMER: usize = 4;

/// Why a Locator is in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In the latest Locator Update, or in DNS or the configuration when there was none.
    Listed {
        /// The lower, the more preferred.
        preference: Preference,
        /// When its lifetime ends. It stays usable for sessions that exist (RFC 6741 §5.2).
        expires: Instant,
    },
    /// Authenticated packets came from it that no Locator Update had announced: the way back until
    /// the next Locator Update (RFC 6744 §4).
    Provisional {
        /// When the first of them came.
        since: Instant,
    },
    /// It was in the set before: tried when the others fail.
    Former {
        /// When it went.
        left: Instant,
    },
}

#[derive(Clone, Copy, Debug)]
struct Remote {
    locator: Locator,
    standing: Standing,
}

/// The Locators of one correspondent.
#[derive(Debug, Default)]
pub struct RemoteLocators {
    /// Listed ones, best first; then the provisional one; then former ones, the latest first.
    locators: Box<[Remote]>,
    destination: Option<Locator>,
}

impl RemoteLocators {
    /// What DNS or the configuration says. `spread` picks one of equally preferred Locators.
    pub fn resolved(now: Instant, given: &[RemoteLocator], spread: u8) -> Self {
        let listed = given.iter().map(|remote| Remote {
            locator: remote.locator,
            standing: Standing::Listed {
                preference: remote.preference,
                expires: now + remote.lifetime.duration(),
            },
        });
        let mut set = Self {
            locators: sorted(listed.collect()).into(),
            destination: None,
        };
        set.choose(spread);
        set
    }

    /// What the data path remembers of it.
    pub fn restored(now: Instant, entry: &PathEntry) -> Self {
        let mut listed: Vec<_> = entry
            .locators
            .iter()
            .map(|known| Remote {
                locator: known.locator,
                standing: Standing::Listed {
                    preference: known.preference,
                    expires: known.expires,
                },
            })
            .collect();
        if listed.is_empty() {
            listed.push(Remote {
                locator: entry.destination,
                standing: Standing::Listed {
                    preference: Preference(0),
                    expires: now,
                },
            });
        }
        Self {
            locators: sorted(listed).into(),
            destination: Some(entry.destination),
        }
    }

    /// A node that was met: all that is known is where its packet came from.
    pub fn met(now: Instant, source: Locator) -> Self {
        Self {
            locators: Box::new([Remote {
                locator: source,
                standing: Standing::Provisional { since: now },
            }]),
            destination: Some(source),
        }
    }

    /// Replaces the whole set by what a Locator Update says (RFC 6743 §4). What was there before
    /// is remembered as former. Of equally preferred Locators the present destination wins.
    pub fn replace(&mut self, now: Instant, records: &[Record], spread: u8, _: &NonceVerified) {
        let listed = records.iter().map(|record| Remote {
            locator: record.locator,
            standing: Standing::Listed {
                preference: record.preference,
                expires: now + record.lifetime.duration(),
            },
        });
        let mut next = sorted(listed.collect());
        let gone = self.locators.iter().map(|old| match old.standing {
            Standing::Former { .. } => *old,
            Standing::Listed { .. } | Standing::Provisional { .. } => Remote {
                locator: old.locator,
                standing: Standing::Former { left: now },
            },
        });
        let mut former: Vec<_> = gone
            .filter(|old| next.iter().all(|new| new.locator != old.locator))
            .collect();
        former.sort_by_key(|old| match old.standing {
            Standing::Former { left } => core::cmp::Reverse(left),
            Standing::Listed { .. } | Standing::Provisional { .. } => core::cmp::Reverse(now),
        });
        former.truncate(FORMER);
        next.append(&mut former);
        self.locators = next.into();
        self.choose(spread);
    }

    /// Takes the source of an authenticated packet as the way back until the next Locator Update.
    pub fn adopt(&mut self, now: Instant, source: Locator, _: &NonceVerified) {
        let mut next: Vec<_> = self
            .locators
            .iter()
            .filter(|old| old.locator != source)
            .map(|old| match old.standing {
                Standing::Provisional { .. } => Remote {
                    locator: old.locator,
                    standing: Standing::Former { left: now },
                },
                Standing::Listed { .. } | Standing::Former { .. } => *old,
            })
            .collect();
        let listed = next
            .iter()
            .take_while(|old| matches!(old.standing, Standing::Listed { .. }))
            .count();
        next.insert(
            listed,
            Remote {
                locator: source,
                standing: Standing::Provisional { since: now },
            },
        );
        next.truncate(listed + 1 + FORMER);
        self.locators = next.into();
        self.destination = Some(source);
    }

    /// Remembers Locators that DNS gave for a live session, to be tried when the known ones fail.
    pub fn add_hints(&mut self, given: &[RemoteLocator]) {
        let hints = given.iter().map(|remote| Remote {
            locator: remote.locator,
            standing: Standing::Former {
                left: Instant::ZERO,
            },
        });
        let hints: Vec<_> = hints
            .filter(|hint| self.standing(hint.locator).is_none())
            .take(FORMER)
            .collect();
        let (expected, former): (Vec<_>, Vec<_>) =
            self.locators.iter().partition(|one| !one.is_former());
        let former = hints.into_iter().chain(former).take(FORMER);
        self.locators = expected.into_iter().chain(former).collect();
    }

    /// The Locator that packets go to.
    pub const fn destination(&self) -> Option<Locator> {
        self.destination
    }

    /// Sends to this Locator of the set from now on.
    pub fn set_destination(&mut self, locator: Locator) {
        if self.standing(locator).is_some() {
            self.destination = Some(locator);
        }
    }

    /// Chooses among the listed Locators: the best preference; of equals the present destination,
    /// or else the one that `spread` falls on (RFC 6741 leaves it open).
    fn choose(&mut self, spread: u8) {
        let Some(best) = self.locators.first().and_then(Remote::preference) else {
            return;
        };
        let equals: Vec<_> = self
            .locators
            .iter()
            .take_while(|remote| remote.preference() == Some(best))
            .map(|remote| remote.locator)
            .collect();
        if self.destination.is_none_or(|old| !equals.contains(&old)) {
            self.destination = equals.get(usize::from(spread) % equals.len()).copied();
        }
    }

    /// Why this Locator is in the set, or `None` when it is not.
    pub fn standing(&self, locator: Locator) -> Option<Standing> {
        self.locators
            .iter()
            .find(|remote| remote.locator == locator)
            .map(|remote| remote.standing)
    }

    /// Whether packets from this Locator are expected: it is listed and nothing newer is known, or
    /// it is the provisional one.
    pub fn expects(&self, locator: Locator) -> bool {
        let provisional = self.provisional();
        match self.standing(locator) {
            Some(Standing::Listed { .. }) => provisional.is_none(),
            Some(Standing::Provisional { .. }) => true,
            Some(Standing::Former { .. }) | None => false,
        }
    }

    /// Since when a provisional Locator stands in for the listed ones.
    fn provisional(&self) -> Option<Instant> {
        self.locators
            .iter()
            .find_map(|remote| match remote.standing {
                Standing::Provisional { since } => Some(since),
                Standing::Listed { .. } | Standing::Former { .. } => None,
            })
    }

    /// When the correspondent left this Locator for another, as far as that is known.
    pub fn left(&self, locator: Locator) -> Option<Instant> {
        match self.standing(locator)? {
            Standing::Former { left } => Some(left),
            Standing::Listed { .. } => self.provisional(),
            Standing::Provisional { .. } => None,
        }
    }

    /// Every Locator that a packet could be sent to, best first, beginning with the destination.
    pub fn candidates(&self) -> impl Iterator<Item = Locator> {
        let others = self.locators.iter().map(|remote| remote.locator);
        self.destination
            .into_iter()
            .chain(others.filter(move |other| Some(*other) != self.destination))
    }

    /// The Locator to try when the destination does not answer: all take turns.
    pub fn next_destination(&self) -> Option<Locator> {
        let all = || self.locators.iter().map(|remote| remote.locator);
        let behind = all().skip_while(|locator| Some(*locator) != self.destination);
        let next = behind.skip(1).chain(all()).next();
        next.filter(|next| Some(*next) != self.destination)
    }

    /// Whether the correspondent is expected at more than one Locator.
    pub fn has_alternatives(&self) -> bool {
        let mut expected = self.locators.iter().filter(|one| !one.is_former());
        expected.nth(1).is_some()
    }

    /// The candidate with this number, the destination being 0, wrapping around.
    pub fn candidate(&self, number: usize) -> Option<Locator> {
        let count = self.candidates().count();
        self.candidates().nth(number.checked_rem(count)?)
    }

    /// What the data path holds: the Locators that packets are expected from.
    pub fn for_path(&self, now: Instant) -> Vec<PathLocator> {
        self.iter(now)
            .filter(|(locator, ..)| self.expects(*locator))
            .take(PathEntry::FAST_LOCATORS)
            .map(|(locator, preference, expires, _)| PathLocator {
                locator,
                preference,
                expires,
            })
            .collect()
    }

    /// The Locators with preference, end of lifetime and RFC 6741 §5.1 state, best first. Former
    /// ones are left out.
    pub fn iter(
        &self,
        now: Instant,
    ) -> impl Iterator<Item = (Locator, Preference, Instant, &'static str)> {
        self.locators.iter().filter_map(move |remote| {
            let (preference, expires) = match remote.standing {
                Standing::Listed {
                    preference,
                    expires,
                } => (preference, expires),
                Standing::Provisional { .. } => (Preference(0), now),
                Standing::Former { .. } => return None,
            };
            let state = if expires < now {
                "aged"
            } else if self.destination == Some(remote.locator) {
                "active"
            } else {
                "valid"
            };
            Some((remote.locator, preference, expires, state))
        })
    }

    /// When the last lifetime ends or ended.
    pub fn expires(&self) -> Option<Instant> {
        let listed = self.locators.iter().filter_map(|one| match one.standing {
            Standing::Listed { expires, .. } => Some(expires),
            Standing::Provisional { .. } | Standing::Former { .. } => None,
        });
        listed.max()
    }

    /// Whether exactly these are the listed Locators.
    pub fn lists(&self, given: &[RemoteLocator]) -> bool {
        let is_listed = |locator| matches!(self.standing(locator), Some(Standing::Listed { .. }));
        let given: BTreeSet<_> = given.iter().map(|remote| remote.locator).collect();
        let listed = self
            .locators
            .iter()
            .filter(|one| one.preference().is_some());
        listed.count() == given.len() && given.into_iter().all(is_listed)
    }
}

impl Remote {
    const fn is_former(&self) -> bool {
        matches!(self.standing, Standing::Former { .. })
    }

    const fn preference(&self) -> Option<Preference> {
        match self.standing {
            Standing::Listed { preference, .. } => Some(preference),
            Standing::Provisional { .. } | Standing::Former { .. } => None,
        }
    }
}

/// Sorts by preference and keeps the first of equal Locators.
fn sorted(mut listed: Vec<Remote>) -> Vec<Remote> {
    listed.sort_by_key(Remote::preference);
    let mut seen = BTreeSet::new();
    listed.retain(|remote| seen.insert(remote.locator));
    listed
}

/// What is left of a lifetime, in whole seconds.
pub fn lifetime_left(now: Instant, expires: Instant) -> Lifetime {
    Lifetime::from_secs_clamped((expires - now).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ilcc::Nonces;
    use crate::wire::Nonce;

    fn locator(n: u64) -> Locator {
        Locator::from_bits(0x2001_0db8_0000_0000 + n)
    }

    fn record(n: u64, preference: u16) -> Record {
        Record {
            locator: locator(n),
            preference: Preference(preference),
            lifetime: Lifetime(300),
        }
    }

    fn proof() -> NonceVerified {
        let nonce = Nonce::from_slice(&[1; 4]).unwrap();
        Nonces::restored(nonce, nonce).verify(&nonce).unwrap()
    }

    fn at(secs: u64) -> Instant {
        Instant::from_nanos(secs * 1_000_000_000)
    }

    fn resolved(given: &[(u64, u16)], spread: u8) -> RemoteLocators {
        let given: Vec<_> = given
            .iter()
            .map(|&(n, preference)| RemoteLocator {
                locator: locator(n),
                preference: Preference(preference),
                lifetime: Lifetime(60),
            })
            .collect();
        RemoteLocators::resolved(at(1), &given, spread)
    }

    #[test]
    fn the_lowest_preference_is_the_destination() {
        let set = resolved(&[(1, 20), (2, 10)], 0);
        assert_eq!(set.destination(), Some(locator(2)));
    }

    #[test]
    fn equal_preferences_are_spread_and_then_sticky() {
        let equals = [(1, 10), (2, 10)];
        assert_eq!(resolved(&equals, 0).destination(), Some(locator(1)));
        let mut set = resolved(&equals, 1);
        assert_eq!(set.destination(), Some(locator(2)));
        set.replace(at(2), &[record(1, 10), record(2, 10)], 0, &proof());
        assert_eq!(set.destination(), Some(locator(2)));
    }

    #[test]
    fn an_update_replaces_the_whole_set() {
        let mut set = resolved(&[(1, 10), (2, 20)], 0);
        set.replace(at(2), &[record(3, 10)], 0, &proof());
        assert_eq!(set.destination(), Some(locator(3)));
        assert!(!set.expects(locator(1)) && !set.expects(locator(2)));
        assert_eq!(
            set.standing(locator(1)),
            Some(Standing::Former { left: at(2) })
        );
        assert_eq!(set.for_path(at(2)).len(), 1);
    }

    #[test]
    fn a_provisional_locator_is_the_way_back_until_the_next_update() {
        let mut set = resolved(&[(1, 10)], 0);
        set.adopt(at(2), locator(9), &proof());
        assert_eq!(set.destination(), Some(locator(9)));
        assert!(set.expects(locator(9)) && !set.expects(locator(1)));
        set.replace(at(3), &[record(1, 10)], 0, &proof());
        assert_eq!(set.destination(), Some(locator(1)));
        assert!(!set.expects(locator(9)));
    }

    #[test]
    fn candidates_begin_with_the_destination_and_end_with_former_ones() {
        let mut set = resolved(&[(1, 10)], 0);
        set.replace(at(2), &[record(2, 10), record(3, 20)], 0, &proof());
        let order: Vec<_> = set.candidates().collect();
        assert_eq!(order, [locator(2), locator(3), locator(1)]);
        assert_eq!(set.candidate(4), Some(locator(3)));
    }

    #[test]
    fn lifetimes_run_out_and_the_locators_stay_usable() {
        let set = resolved(&[(1, 10)], 0);
        assert_eq!(set.expires(), Some(at(61)));
        assert!(set.iter(at(60)).all(|(.., state)| state == "active"));
        assert!(set.iter(at(62)).all(|(.., state)| state == "aged"));
        assert_eq!(set.destination(), Some(locator(1)));
        assert!(set.expects(locator(1)));
    }

    #[test]
    fn takes_255_locators_and_the_data_path_the_best_of_them() {
        let mut set = resolved(&[(1, 10)], 0);
        let many: Vec<_> = (0..255)
            .map(|n| record(n, 300 - u16::try_from(n).unwrap()))
            .collect();
        set.replace(at(2), &many, 0, &proof());
        assert_eq!(set.destination(), Some(locator(254)));
        assert_eq!(set.for_path(at(2)).len(), PathEntry::FAST_LOCATORS);
        assert!(set.expects(locator(0)));
    }

    #[test]
    fn what_was_left_is_remembered_in_bounds() {
        let mut set = resolved(&[(0, 10)], 0);
        for n in 1..50 {
            set.adopt(at(n), locator(n), &proof());
            set.replace(at(n), &[record(n + 100, 10)], 0, &proof());
        }
        assert!(set.candidates().count() <= 1 + FORMER);
    }

    #[test]
    fn a_memory_without_locators_falls_back_to_its_destination() {
        let nonce = Nonce::from_slice(&[1; 4]).unwrap();
        let entry = PathEntry {
            slot: crate::node::SlotIndex::PREFERRED,
            destination: locator(5),
            nonce_out: nonce,
            nonce_in: nonce,
            locators: Vec::new(),
        };
        assert!(RemoteLocators::restored(at(1), &entry).expects(locator(5)));
    }
}
