//! A zone while it is being changed.

use std::collections::BTreeMap;

use super::change::{ApplyError, Change};
use super::node::RrSets;
use super::{Zone, ZoneError, rules, serial};
use crate::name::Name;
use crate::record::{Record, RecordType};

/// A copy of a zone, and what its changed names held before.
pub(super) struct Draft {
    zone: Zone,
    old_soa: Record,
    before: BTreeMap<Name, RrSets>,
}

impl Draft {
    pub(super) fn new(zone: &Zone) -> Self {
        Self {
            zone: zone.clone(),
            old_soa: zone.soa(),
            before: BTreeMap::new(),
        }
    }

    pub(super) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Changes the records of a name of the zone.
    ///
    /// A name that has records keeps its case, even when it loses them and gets others: a change
    /// tells of the records alone, and could not be undone otherwise. One that has none, because it
    /// is new or stands only above others, takes the case of its first record.
    pub(super) fn edit<T>(&mut self, name: &Name, change: impl FnOnce(&mut RrSets) -> T) -> T {
        let known = self.before.get_key_value(name).map(|(known, _)| known);
        let node = self.zone.node_mut(name);
        if node.sets.is_empty() {
            node.name = known.unwrap_or(name).clone();
        }
        if known.is_none() {
            self.before.insert(node.name.clone(), node.sets.clone());
        }
        let done = change(&mut node.sets);
        self.zone.prune(name);
        done
    }

    /// Removes a record that must be there.
    pub(super) fn remove(&mut self, record: &Record) -> Result<(), ApplyError> {
        let (rtype, rdata) = (record.rtype, &record.rdata);
        let found = record.name.is_within(self.zone.origin())
            && self.edit(&record.name, |sets| sets.remove(rtype, rdata));
        let missing = || ApplyError::Missing(Box::new(record.clone()));
        found.then_some(()).ok_or_else(missing)
    }

    /// Adds a record that must fit.
    pub(super) fn load(&mut self, record: &Record) -> Result<(), ZoneError> {
        rules::check(&self.zone, record)?;
        self.edit(&record.name, |sets| {
            rules::check_beside(sets, record)?;
            sets.add(record.rtype, record.ttl, record.rdata.clone());
            Ok(())
        })
    }

    /// The zone, if it is still one.
    pub(super) fn into_zone(self) -> Result<Zone, ZoneError> {
        self.zone.check_apex()?;
        Ok(self.zone)
    }

    /// The new version of the zone, and what is new about it. The serial goes up unless the SOA
    /// record was replaced or nothing changed.
    pub(super) fn finish(mut self) -> (Zone, Change) {
        let (removed, added) = self.difference();
        let soa = self.zone.soa();
        if soa == self.old_soa && !(removed.is_empty() && added.is_empty()) {
            let next = self.zone.serial().successor();
            let rdata = serial::with_serial(&soa.rdata, next);
            let apex = self.zone.node_mut(&soa.name);
            apex.sets.remove_set(RecordType::SOA);
            apex.sets.add(RecordType::SOA, soa.ttl, rdata);
        }
        let change = Change {
            old_soa: self.old_soa,
            removed,
            new_soa: self.zone.soa(),
            added,
        };
        (self.zone, change)
    }

    /// The records that are gone, and those that are new, without the SOA record.
    fn difference(&self) -> (Vec<Record>, Vec<Record>) {
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        let none = RrSets::default();
        for (name, before) in &self.before {
            let node = self.zone.node(name);
            let (new_name, now) = node.map_or((name, &none), |node| (&node.name, &node.sets));
            removed.extend(self.only_in(name, before, now));
            added.extend(self.only_in(new_name, now, before));
        }
        (removed, added)
    }

    fn only_in(&self, name: &Name, one: &RrSets, other: &RrSets) -> Vec<Record> {
        let mut only = Vec::new();
        for set in one.iter().filter(|set| set.rtype != RecordType::SOA) {
            let same = other.get(set.rtype).filter(|other| other.ttl == set.ttl);
            let records = set.records(name, self.zone.class());
            only.extend(records.filter(|record| {
                same.is_none_or(|same| same.rdatas.binary_search(&record.rdata).is_err())
            }));
        }
        only
    }
}
