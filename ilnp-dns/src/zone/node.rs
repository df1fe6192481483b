//! What a zone holds at one name.

use bytes::Bytes;

use super::fields;
use crate::name::Name;
use crate::record::{Class, Record, RecordType};

/// A name of a zone with its RRsets, or an empty one above others (RFC 4592 §2.2.2).
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: Name,
    /// How many names there are one label below.
    pub(super) children: usize,
    pub(super) sets: RrSets,
}

/// The RRsets of a name, by type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RrSets(Vec<RrSet>);

/// The records of one name and type. They share a TTL (RFC 2181 §5.2), and there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RrSet {
    /// The type.
    pub rtype: RecordType,
    /// The TTL.
    pub ttl: u32,
    /// RDATA of each record, in ascending order and each one once.
    pub rdatas: Vec<Bytes>,
}

impl Node {
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            children: 0,
            sets: RrSets::default(),
        }
    }
}

impl RrSets {
    pub(super) fn get(&self, rtype: RecordType) -> Option<&RrSet> {
        self.0.iter().find(|set| set.rtype == rtype)
    }

    pub(super) fn has(&self, rtype: RecordType) -> bool {
        self.get(rtype).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RrSet> {
        self.0.iter()
    }

    /// Adds a record, whose TTL becomes that of its set. One that is the same but for the case of
    /// the names in it is replaced.
    pub(super) fn add(&mut self, rtype: RecordType, ttl: u32, rdata: Bytes) {
        let index = match self.0.binary_search_by_key(&rtype, |set| set.rtype) {
            Ok(index) => index,
            Err(index) => {
                let rdatas = Vec::with_capacity(1);
                self.0.insert(index, RrSet { rtype, ttl, rdatas });
                index
            }
        };
        let set = &mut self.0[index];
        set.ttl = ttl;
        set.rdatas
            .retain(|other| !fields::same(rtype, other, &rdata));
        let place = set.rdatas.partition_point(|other| *other < rdata);
        set.rdatas.insert(place, rdata);
    }

    /// Removes a record, whatever the case of the names in it; says whether there was one.
    pub(super) fn remove(&mut self, rtype: RecordType, rdata: &[u8]) -> bool {
        let Some(set) = self.0.iter_mut().find(|set| set.rtype == rtype) else {
            return false;
        };
        let before = set.rdatas.len();
        set.rdatas
            .retain(|other| !fields::same(rtype, other, rdata));
        let removed = set.rdatas.len() < before;
        if set.rdatas.is_empty() {
            self.remove_set(rtype);
        }
        removed
    }

    pub(super) fn remove_set(&mut self, rtype: RecordType) {
        self.0.retain(|set| set.rtype != rtype);
    }

    pub(super) fn retain(&mut self, keep: impl Fn(RecordType) -> bool) {
        self.0.retain(|set| keep(set.rtype));
    }
}

impl RrSet {
    /// Its records at a name.
    pub(super) fn records(&self, name: &Name, class: Class) -> impl Iterator<Item = Record> {
        self.rdatas.iter().map(move |rdata| Record {
            name: name.clone(),
            rtype: self.rtype,
            class,
            ttl: self.ttl,
            rdata: rdata.clone(),
        })
    }

    /// Whether it holds a record, whatever the case of the names in it.
    pub(super) fn holds(&self, rdata: &[u8]) -> bool {
        (self.rdatas.iter()).any(|other| fields::same(self.rtype, other, rdata))
    }
}
