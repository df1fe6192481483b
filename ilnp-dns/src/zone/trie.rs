//! A map from hashes to values whose copies share all that is the same.
//!
//! Each branch takes five bits of the hash. A change copies the branches on the way to it and
//! nothing else, so a snapshot costs a reference count, and a look-up costs as many steps as the
//! number of values has digits in base 32.

use std::slice;
use std::sync::Arc;

/// Bits of the hash that a branch takes.
const BITS: u32 = 5;

/// A persistent map. Who uses it says which values are the same by a function, since different keys
/// may have one hash.
#[derive(Clone, Debug)]
pub(super) struct Trie<V> {
    root: Branch<V>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Branch<V> {
    /// Which of the 32 places are taken. Below the last bits of the hash it says nothing, and the
    /// slots are a list of leaves.
    taken: u32,
    slots: Arc<[Slot<V>]>,
}

#[derive(Clone, Debug)]
enum Slot<V> {
    Leaf(u64, V),
    Branch(Branch<V>),
}

impl<V: Clone> Trie<V> {
    pub(super) fn new() -> Self {
        Self {
            root: Branch::empty(),
            len: 0,
        }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, hash: u64, same: impl Fn(&V) -> bool) -> Option<&V> {
        let mut branch = &self.root;
        let mut shift = 0;
        loop {
            match &branch.slots[branch.find(shift, hash, &same)?] {
                Slot::Branch(below) => branch = below,
                Slot::Leaf(other, value) => {
                    return (*other == hash && same(value)).then_some(value);
                }
            }
            shift += BITS;
        }
    }

    /// A value to change; what other copies of the map share with this one is copied before.
    pub(super) fn get_mut(&mut self, hash: u64, same: impl Fn(&V) -> bool) -> Option<&mut V> {
        let mut branch = &mut self.root;
        let mut shift = 0;
        loop {
            let index = branch.find(shift, hash, &same)?;
            match &mut Arc::make_mut(&mut branch.slots)[index] {
                Slot::Branch(below) => branch = below,
                Slot::Leaf(other, value) => {
                    return (*other == hash && same(value)).then_some(value);
                }
            }
            shift += BITS;
        }
    }

    /// Adds a value that is not there yet.
    pub(super) fn insert(&mut self, hash: u64, value: V) {
        self.root.insert(0, hash, value);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, hash: u64, same: impl Fn(&V) -> bool) {
        if self.root.remove(0, hash, &same) {
            self.len -= 1;
        }
    }

    /// All values, in no order that means anything.
    pub(super) fn iter(&self) -> Iter<'_, V> {
        Iter {
            rests: vec![self.root.slots.iter()],
        }
    }
}

impl<V: Clone> Branch<V> {
    fn empty() -> Self {
        Self {
            taken: 0,
            slots: Arc::new([]),
        }
    }

    /// The slot on the way to a value, if it is taken.
    fn find(&self, shift: u32, hash: u64, same: &impl Fn(&V) -> bool) -> Option<usize> {
        if shift >= u64::BITS {
            return (self.slots.iter())
                .position(|slot| matches!(slot, Slot::Leaf(_, value) if same(value)));
        }
        let (bit, index) = self.place(shift, hash);
        (self.taken & bit != 0).then_some(index)
    }

    /// The bit and the slot of a hash.
    fn place(&self, shift: u32, hash: u64) -> (u32, usize) {
        let bit = 1 << ((hash >> shift) & ((1 << BITS) - 1));
        (bit, (self.taken & (bit - 1)).count_ones() as usize)
    }

    fn insert(&mut self, shift: u32, hash: u64, value: V) {
        if shift >= u64::BITS {
            return self.put(self.slots.len(), Slot::Leaf(hash, value));
        }
        let (bit, index) = self.place(shift, hash);
        if self.taken & bit == 0 {
            self.taken |= bit;
            return self.put(index, Slot::Leaf(hash, value));
        }
        let slot = &mut Arc::make_mut(&mut self.slots)[index];
        match slot {
            Slot::Branch(below) => below.insert(shift + BITS, hash, value),
            Slot::Leaf(other_hash, other) => {
                let mut below = Self::empty();
                below.insert(shift + BITS, *other_hash, other.clone());
                below.insert(shift + BITS, hash, value);
                *slot = Slot::Branch(below);
            }
        }
    }

    /// Removes a value; says whether it was there.
    fn remove(&mut self, shift: u32, hash: u64, same: &impl Fn(&V) -> bool) -> bool {
        let Some(index) = self.find(shift, hash, same) else {
            return false;
        };
        if let Slot::Leaf(other, value) = &self.slots[index] {
            if *other != hash || !same(value) {
                return false;
            }
            self.take(index);
            if shift < u64::BITS {
                self.taken &= !self.place(shift, hash).0;
            }
            return true;
        }
        let slot = &mut Arc::make_mut(&mut self.slots)[index];
        let Slot::Branch(below) = slot else {
            return false;
        };
        let removed = below.remove(shift + BITS, hash, same);
        if let [Slot::Leaf(hash, value)] = &*below.slots {
            *slot = Slot::Leaf(*hash, value.clone());
        }
        removed
    }

    fn put(&mut self, index: usize, slot: Slot<V>) {
        let (before, behind) = self.slots.split_at(index);
        let before = before.iter().cloned();
        self.slots = before.chain([slot]).chain(behind.iter().cloned()).collect();
    }

    fn take(&mut self, index: usize) {
        let (before, behind) = (&self.slots[..index], &self.slots[index + 1..]);
        self.slots = before.iter().chain(behind).cloned().collect();
    }
}

/// An iterator over the values.
pub(super) struct Iter<'a, V> {
    rests: Vec<slice::Iter<'a, Slot<V>>>,
}

impl<'a, V> Iterator for Iter<'a, V> {
    type Item = &'a V;

    fn next(&mut self) -> Option<&'a V> {
        loop {
            match self.rests.last_mut()?.next() {
                None => drop(self.rests.pop()),
                Some(Slot::Branch(below)) => self.rests.push(below.slots.iter()),
                Some(Slot::Leaf(_, value)) => return Some(value),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Pair = (u8, u32);

    /// A hash in which many keys share all bits, the first or the last.
    fn hash(key: u8) -> u64 {
        match key % 4 {
            0 => 7,
            1 => u64::from(key) << 59,
            2 => u64::from(key),
            _ => u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }

    fn get(trie: &Trie<Pair>, key: u8) -> Option<u32> {
        let found = trie.get(hash(key), |(other, _)| *other == key);
        found.map(|(_, value)| *value)
    }

    fn set(trie: &mut Trie<Pair>, key: u8, value: u32) {
        match trie.get_mut(hash(key), |(other, _)| *other == key) {
            Some(pair) => pair.1 = value,
            None => trie.insert(hash(key), (key, value)),
        }
    }

    fn contents(trie: &Trie<Pair>) -> BTreeMap<u8, u32> {
        trie.iter().copied().collect()
    }

    proptest! {
        #[test]
        fn it_does_what_a_map_does(
            changes in prop::collection::vec((any::<u8>(), any::<Option<u32>>()), 0..300)
        ) {
            let (mut trie, mut map) = (Trie::new(), BTreeMap::new());
            let mut snapshots = Vec::new();
            for (key, change) in changes {
                snapshots.push((trie.clone(), map.clone()));
                match change {
                    Some(value) => {
                        set(&mut trie, key, value);
                        map.insert(key, value);
                    }
                    None => {
                        trie.remove(hash(key), |(other, _)| *other == key);
                        map.remove(&key);
                    }
                }
                prop_assert_eq!(trie.len(), map.len());
                prop_assert_eq!(get(&trie, key), map.get(&key).copied());
            }
            snapshots.push((trie, map));
            for (trie, map) in snapshots {
                prop_assert_eq!(trie.iter().count(), map.len());
                prop_assert_eq!(contents(&trie), map);
            }
        }
    }

    #[test]
    fn a_way_that_became_needless_is_shortened() {
        let mut trie = Trie::new();
        set(&mut trie, 0, 1);
        set(&mut trie, 4, 2);
        assert!(matches!(&*trie.root.slots, [Slot::Branch(_)]));
        trie.remove(hash(4), |(key, _)| *key == 4);
        assert!(matches!(&*trie.root.slots, [Slot::Leaf(7, (0, 1))]));
    }
}
