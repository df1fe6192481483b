//! All correspondents, found by handle or by identifier and Nonce (RFC 6741 §5.4).

use core::hash::{BuildHasher, Hasher};
use std::collections::HashMap;
use std::hash::DefaultHasher;

use crate::id::{Handle, HandlePrefix, Nid};
use crate::wire::Nonce;

use super::entry::Entry;
use super::nonces::NonceVerified;

/// Where a correspondent stands in the table, until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u32);

impl Id {
    /// The lowest one.
    pub const FIRST: Self = Self(0);
    const NONE: Self = Self(u32::MAX);

    #[cfg(test)]
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// SipHash with a key from the node's seed, so that nobody can choose identifiers that collide and
/// a run can be played back.
#[derive(Clone, Copy, Debug)]
struct Keyed([u64; 2]);

impl BuildHasher for Keyed {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0[0]);
        hasher.write_u64(self.0[1]);
        hasher
    }
}

const ALIASES: usize = HandlePrefix::ALIASES as usize;

/// All correspondents of one local identifier.
///
/// The key of RFC 6741 §5.4, `<remote NID, Nonce>`, is looked up in two steps: the identifier gives
/// at most [`HandlePrefix::ALIASES`] entries, and their Nonces are compared in constant time. A
/// Nonce is therefore never part of a hash or an order that could be timed.
#[derive(Debug)]
pub struct Table {
    by_nid: HashMap<Nid, [Id; ALIASES], Keyed>,
    entries: Vec<Option<Box<Entry>>>,
    free: Vec<Id>,
}

impl Table {
    /// An empty table.
    pub fn new(hash_key: [u64; 2]) -> Self {
        Self {
            by_nid: HashMap::with_hasher(Keyed(hash_key)),
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    /// How many correspondents there are.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a correspondent whose handle is not in the table yet; otherwise the older entry stays.
    pub fn insert(&mut self, entry: Entry) -> Id {
        if let Some(id) = self.find(entry.handle) {
            return id;
        }
        let handle = entry.handle;
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            Id(u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX))
        });
        if let Some(place) = self.entries.get_mut(id.index()) {
            *place = Some(Box::new(entry));
        }
        let aliases = self.by_nid.entry(handle.nid).or_insert([Id::NONE; ALIASES]);
        if let Some(place) = aliases.get_mut(usize::from(handle.alias)) {
            *place = id;
        }
        id
    }

    /// Takes a correspondent out.
    pub fn remove(&mut self, id: Id) -> Option<Box<Entry>> {
        let entry = self.entries.get_mut(id.index())?.take()?;
        self.free.push(id);
        if let Some(aliases) = self.by_nid.get_mut(&entry.handle.nid) {
            for place in aliases.iter_mut().filter(|place| **place == id) {
                *place = Id::NONE;
            }
            if aliases.iter().all(|place| *place == Id::NONE) {
                self.by_nid.remove(&entry.handle.nid);
            }
        }
        Some(entry)
    }

    /// The correspondent with this handle.
    pub fn find(&self, handle: Handle) -> Option<Id> {
        let aliases = self.by_nid.get(&handle.nid)?;
        let id = *aliases.get(usize::from(handle.alias))?;
        (id != Id::NONE).then_some(id)
    }

    /// The correspondents with this identifier, in the order of their aliases.
    pub fn with_nid(&self, nid: Nid) -> impl Iterator<Item = (Id, &Entry)> {
        self.by_nid
            .get(&nid)
            .into_iter()
            .flatten()
            .filter_map(|&id| Some((id, self.get(id)?)))
    }

    /// The first correspondent with this identifier of which this holds.
    pub fn find_where(&self, nid: Nid, holds: impl Fn(&Entry) -> bool) -> Option<Id> {
        let mut with_nid = self.with_nid(nid);
        with_nid.find(|(_, entry)| holds(entry)).map(|(id, _)| id)
    }

    /// The correspondent that a packet with this identifier and Nonce is from.
    pub fn authenticate(&self, nid: Nid, nonce: &Nonce) -> Option<(Id, NonceVerified)> {
        self.with_nid(nid)
            .find_map(|(id, entry)| Some((id, entry.nonces.verify(nonce)?)))
    }

    /// The first handle of an identifier that no correspondent has.
    pub fn free_handle(&self, nid: Nid) -> Option<Handle> {
        (0..HandlePrefix::ALIASES)
            .map(|alias| Handle { nid, alias })
            .find(|handle| self.find(*handle).is_none())
    }

    /// What is known of a correspondent.
    pub fn get(&self, id: Id) -> Option<&Entry> {
        self.entries.get(id.index())?.as_deref()
    }

    /// What is known of a correspondent, to be changed.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut Entry> {
        self.entries.get_mut(id.index())?.as_deref_mut()
    }

    /// All correspondents.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &Entry)> {
        (0..)
            .map(Id)
            .zip(&self.entries)
            .filter_map(|(id, entry)| Some((id, entry.as_deref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ilcc::{Nonces, RemoteLocators};
    use crate::time::Instant;

    fn nonce(n: u8) -> Nonce {
        Nonce::from_slice(&[n; 12]).unwrap()
    }

    fn entry(nid: u64, alias: u8, inward: u8) -> Entry {
        let handle = Handle {
            nid: Nid::from_bits(nid),
            alias,
        };
        let nonces = Nonces::restored(nonce(99), nonce(inward));
        Entry::new(Instant::ZERO, handle, nonces, RemoteLocators::default())
    }

    #[test]
    fn equal_identifiers_are_told_apart_by_their_nonces() {
        let mut table = Table::new([1, 2]);
        let first = table.insert(entry(5, 0, 1));
        let second = table.insert(entry(5, 1, 2));
        let nid = Nid::from_bits(5);
        let found = |n| table.authenticate(nid, &nonce(n)).map(|(id, _)| id);
        assert_eq!(found(1), Some(first));
        assert_eq!(found(2), Some(second));
        assert_eq!(found(3), None);
        assert_eq!(table.free_handle(nid).map(|handle| handle.alias), Some(2));
        assert!(table.authenticate(Nid::from_bits(6), &nonce(1)).is_none());
    }

    #[test]
    fn removed_entries_are_not_found_and_their_places_used_again() {
        let mut table = Table::new([1, 2]);
        let first = table.insert(entry(5, 0, 1));
        table.insert(entry(6, 0, 1));
        assert!(table.remove(first).is_some());
        assert!(table.remove(first).is_none());
        assert_eq!(table.find(Handle::new(Nid::from_bits(5))), None);
        assert_eq!(table.len(), 1);
        assert_eq!(table.insert(entry(7, 0, 1)), first);
        assert_eq!(table.iter().count(), 2);
    }

    #[test]
    fn an_entry_is_not_replaced() {
        let mut table = Table::new([1, 2]);
        let first = table.insert(entry(5, 0, 1));
        assert_eq!(table.insert(entry(5, 0, 2)), first);
        assert!(table.authenticate(Nid::from_bits(5), &nonce(1)).is_some());
    }
}
