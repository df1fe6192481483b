//! The data of a zone: what the authoritative server answers from and changes.
//!
//! A [`Zone`] is a value. A clone costs two reference counts, and a change makes a new zone that
//! shares with the old one what is the same, so that readers keep a snapshot as long as they like.
//!
//! | module | what it does |
//! |---|---|
//! | [`look_up`] | answers questions, additional data (RFC 6742) and made-up AAAA records among them |
//! | [`update`] | checks and applies dynamic updates (RFC 2136) for those whom [`grant`] allows it |
//! | [`mod@file`] | reads and writes master files (RFC 1035 §5) |
//! | [`lint`] | tells what is allowed but hardly meant |
//! | [`change`] | what an update did, for the journal and for incremental transfers |

pub mod change;
mod draft;
mod fields;
pub mod file;
pub mod grant;
pub mod lint;
pub mod look_up;
mod node;
mod path;
mod rules;
mod serial;
mod trie;
pub mod update;

use std::hash::RandomState;
use std::sync::Arc;

use crate::name::Name;
use crate::record::{Class, Record, RecordType};

pub use change::Change;
pub use grant::{Grant, Grants};
pub use look_up::{Extras, Found, View};
pub use node::RrSet;
pub use rules::ZoneError;
pub use serial::{Serial, of_soa as serial_of_soa};
pub use update::UpdateError;

use node::Node;
use path::Path;
use trie::Trie;

/// A zone: all records of a name and of those below it.
///
/// It has an SOA record and at least one NS record, whatever is done to it.
#[derive(Clone, Debug)]
pub struct Zone {
    origin: Name,
    class: Class,
    nodes: Trie<Arc<Node>>,
    /// With keys of its own, so that nobody can choose names whose hashes are the same.
    hasher: RandomState,
}

impl Zone {
    /// Makes a zone of its records: those of a transfer, of a store or of a file.
    ///
    /// A record that is there twice counts once. Records of one name and type that differ in their
    /// TTLs get the lowest one (RFC 2181 §5.2).
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_records(
        origin: Name,
        class: Class,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, ZoneError> {
        let mut zone = Self::empty(origin, class);
        for record in records {
            zone.load(record)?;
        }
        zone.check_apex()?;
        Ok(zone)
    }

    /// The name of the zone.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// Its class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Its version.
    pub fn serial(&self) -> Serial {
        let soa = self.apex().sets.get(RecordType::SOA);
        let rdata = soa.and_then(|set| set.rdatas.first());
        rdata
            .and_then(|rdata| serial::of_soa(rdata))
            .unwrap_or(Serial(0))
    }

    /// Its SOA record.
    pub fn soa(&self) -> Record {
        let soa = self.apex().sets.get(RecordType::SOA);
        let record = soa.and_then(|set| set.records(&self.origin, self.class).next());
        record.expect("from_records() refuses a zone without it, and no update removes it")
    }

    /// Its records of one name and type.
    pub fn records_of(&self, name: &Name, rtype: RecordType) -> impl Iterator<Item = Record> {
        let node = self.node(name);
        let set = node.and_then(|node| Some((node, node.sets.get(rtype)?)));
        set.into_iter()
            .flat_map(|(node, set)| set.records(&node.name, self.class))
    }

    /// How many names it has, those without records above others among them.
    pub fn names(&self) -> usize {
        self.nodes.len()
    }

    /// Its records: the SOA record first, then those of one name and type one after the other.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let others = self.nodes.iter().flat_map(|node| {
            let sets = node.sets.iter().map(|set| (&node.name, set));
            sets.filter(|(_, set)| set.rtype != RecordType::SOA)
        });
        let others = others.flat_map(|(name, set)| set.records(name, self.class));
        [self.soa()].into_iter().chain(others)
    }

    /// A zone to be, without the records that it must have.
    fn empty(origin: Name, class: Class) -> Self {
        let mut zone = Self {
            nodes: Trie::new(),
            hasher: RandomState::new(),
            class,
            origin: origin.clone(),
        };
        zone.node_mut(&origin);
        zone
    }

    fn check_apex(&self) -> Result<(), ZoneError> {
        let apex = &self.apex().sets;
        if !apex.has(RecordType::SOA) {
            return Err(ZoneError::NoSoa(self.origin.clone()));
        }
        if !apex.has(RecordType::NS) {
            return Err(ZoneError::NoNs(self.origin.clone()));
        }
        Ok(())
    }

    fn load(&mut self, record: Record) -> Result<(), ZoneError> {
        rules::check(self, &record)?;
        let sets = &mut self.node_mut(&record.name).sets;
        rules::check_beside(sets, &record)?;
        let lowest = sets.get(record.rtype).map_or(record.ttl, |set| set.ttl);
        sets.add(record.rtype, record.ttl.min(lowest), record.rdata);
        Ok(())
    }

    fn apex(&self) -> &Node {
        let apex = self.node(&self.origin);
        apex.expect("a zone has its apex from the start, and prune() spares it")
    }

    /// What is at a name, be it nothing but other names below.
    fn node(&self, name: &Name) -> Option<&Node> {
        let hash = Path::new(&self.origin, name)?.hash(&self.hasher);
        let node = self.nodes.get(hash, |node| node.name == *name)?;
        Some(node)
    }

    /// What is at a name of the zone, to change it; made with the names above it where it was not.
    ///
    /// Who leaves it empty calls [`Self::prune`].
    fn node_mut(&mut self, name: &Name) -> &mut Node {
        let hash = self.hash(name);
        let same = |node: &Arc<Node>| node.name == *name;
        if self.nodes.get(hash, same).is_none() {
            if *name != self.origin {
                let above = self.above(name);
                self.node_mut(&above).children += 1;
            }
            self.nodes.insert(hash, Arc::new(Node::new(name.clone())));
        }
        let node = self.nodes.get_mut(hash, same);
        Arc::make_mut(node.expect("it was there, or is there since right now"))
    }

    /// Removes a name that has no records and no names below it, and then those above it likewise.
    fn prune(&mut self, name: &Name) {
        let needless =
            |node: &Node| node.sets.is_empty() && node.children == 0 && node.name != self.origin;
        if self.node(name).is_some_and(needless) {
            self.nodes
                .remove(self.hash(name), |node| node.name == *name);
            let above = self.above(name);
            self.node_mut(&above).children -= 1;
            self.prune(&above);
        }
    }

    fn above(&self, name: &Name) -> Name {
        name.parent().unwrap_or_else(|| self.origin.clone())
    }

    /// The hash of a name that is in the zone.
    fn hash(&self, name: &Name) -> u64 {
        Path::new(&self.origin, name).map_or(0, |path| path.hash(&self.hasher))
    }
}
