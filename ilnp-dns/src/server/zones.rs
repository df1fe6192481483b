//! What the server serves: keys and zones.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::key::TsigKey;
use crate::name::Name;
use crate::zone::{Change, Extras, Grants, Serial, Zone};

/// How many changes of a zone are kept for incremental transfers,
const HISTORY: usize = 8192;
/// and how many records in them.
const HISTORY_RECORDS: usize = 1 << 17;

/// What is served now. A reload replaces it as a whole.
#[derive(Debug, Default)]
pub(super) struct Serving {
    pub(super) keys: HashMap<Name, Arc<TsigKey>>,
    pub(super) zones: HashMap<Name, Arc<Served>>,
    pub(super) extras: Extras,
}

/// A zone and what its operator says about it.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) data: Arc<ZoneData>,
    pub(super) grants: Grants,
    pub(super) transfer_key: Option<Arc<TsigKey>>,
    pub(super) notify: Vec<SocketAddr>,
}

/// The records of a zone. Readers take snapshots; the writer alone replaces them.
#[derive(Debug)]
pub(super) struct ZoneData {
    pub(super) origin: Name,
    current: ArcSwap<Zone>,
    history: Mutex<History>,
    /// Tells those who notify secondary servers.
    serial: watch::Sender<Serial>,
}

/// The latest changes of a zone.
#[derive(Debug, Default)]
struct History {
    changes: VecDeque<Arc<Change>>,
    records: usize,
}

impl Serving {
    /// The zone that is the closest one above `name`.
    pub(super) fn zone_above(&self, name: &Name) -> Option<&Arc<Served>> {
        let mut at = name.clone();
        loop {
            if let Some(zone) = self.zones.get(&at) {
                return Some(zone);
            }
            at = at.parent()?;
        }
    }
}

impl ZoneData {
    pub(super) fn new(zone: Zone, history: impl IntoIterator<Item = Change>) -> Self {
        let serial = watch::Sender::new(zone.serial());
        let mut kept = History::default();
        kept.extend(history);
        Self {
            origin: zone.origin().clone(),
            current: ArcSwap::from_pointee(zone),
            history: Mutex::new(kept),
            serial,
        }
    }

    /// The zone as it is now.
    pub(super) fn snapshot(&self) -> arc_swap::Guard<Arc<Zone>> {
        self.current.load()
    }

    /// Replaces the zone by the one that `changes` lead to.
    pub(super) fn publish(&self, zone: Zone, changes: Vec<Change>) {
        let serial = zone.serial();
        let mut history = self.history();
        history.extend(changes);
        self.current.store(Arc::new(zone));
        drop(history);
        self.serial.send_replace(serial);
    }

    /// Replaces the zone and its history by what the database says.
    pub(super) fn replace(&self, zone: Zone, changes: Vec<Change>) {
        *self.history() = History::default();
        self.publish(zone, changes);
    }

    /// The zone together with the changes that lead to it from version `serial`; `None` when they
    /// are not kept.
    pub(super) fn changes_since(&self, serial: Serial) -> Option<(Arc<Zone>, Vec<Arc<Change>>)> {
        let history = self.history();
        let changes = &history.changes;
        let start = (changes.iter()).rposition(|change| change.old_serial() == serial)?;
        let changes = changes.range(start..).cloned().collect();
        Some((self.current.load_full(), changes))
    }

    /// The serial, and word of every change of it.
    pub(super) fn watch(&self) -> watch::Receiver<Serial> {
        self.serial.subscribe()
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl History {
    /// Adds changes, and forgets the oldest.
    fn extend(&mut self, changes: impl IntoIterator<Item = Change>) {
        let size = |change: &Change| 2 + change.removed.len() + change.added.len();
        for change in changes {
            self.records += size(&change);
            self.changes.push_back(Arc::new(change));
        }
        while self.changes.len() > HISTORY || self.records > HISTORY_RECORDS {
            let oldest = self.changes.pop_front();
            self.records -= oldest.map_or(self.records, |change| size(&change));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Class, Record, RecordType};
    use crate::zone::file;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn zone(serial: u32) -> Zone {
        let text = format!("$TTL 5\n@ SOA ns h {serial} 2 3 4 5\n@ NS ns\n");
        file::read(text.as_bytes(), &name("example.org.")).unwrap()
    }

    /// The change from a version to the next, with some records.
    fn change(from: u32, records: usize) -> Change {
        let record = Record {
            name: name("a.example.org."),
            rtype: RecordType::TXT,
            class: Class::IN,
            ttl: 5,
            rdata: vec![0].into(),
        };
        Change {
            old_soa: zone(from).soa(),
            removed: Vec::new(),
            new_soa: zone(from + 1).soa(),
            added: vec![record; records],
        }
    }

    fn history(data: &ZoneData) -> usize {
        data.history().changes.len()
    }

    #[test]
    fn the_closest_zone_above_a_name_answers() {
        let mut serving = Serving::default();
        for origin in ["org.", "Example.org."] {
            let zone = Zone::from_records(name(origin), Class::IN, zone_records(origin));
            let served = Served {
                data: Arc::new(ZoneData::new(zone.unwrap(), [])),
                grants: Grants::default(),
                transfer_key: None,
                notify: Vec::new(),
            };
            serving.zones.insert(name(origin), Arc::new(served));
        }
        for (asked, expected) in [
            ("a.b.EXAMPLE.org.", Some("example.org.")),
            ("example.org.", Some("example.org.")),
            ("other.org.", Some("org.")),
            ("net.", None),
            (".", None),
        ] {
            let found = serving.zone_above(&name(asked));
            let found = found.map(|zone| zone.data.origin.clone());
            assert_eq!(found, expected.map(name), "{asked}");
        }
    }

    fn zone_records(origin: &str) -> Vec<Record> {
        let text = b"$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n";
        let zone = file::read(text, &name(origin)).unwrap();
        zone.records().collect()
    }

    #[test]
    fn readers_see_what_was_published_and_what_led_to_it() {
        let data = ZoneData::new(zone(1), []);
        let mut told = data.watch();
        data.publish(zone(3), vec![change(1, 0), change(2, 0)]);
        data.publish(zone(4), vec![change(3, 0)]);
        assert!(told.has_changed().unwrap());
        assert_eq!(*told.borrow_and_update(), Serial(4));
        assert_eq!(data.snapshot().serial(), Serial(4));
        let (zone, changes) = data.changes_since(Serial(2)).unwrap();
        assert_eq!((zone.serial(), changes.len()), (Serial(4), 2));
        assert!(data.changes_since(Serial(4)).is_none());
        assert!(data.changes_since(Serial(0)).is_none());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let data = ZoneData::new(zone(1), [change(1, 3)]);
        let small = change(2, 0);
        data.publish(zone(2), vec![small; HISTORY + 5]);
        assert_eq!(history(&data), HISTORY);
        data.publish(zone(3), vec![change(3, HISTORY_RECORDS / 3); 5]);
        assert_eq!(history(&data), 2);
        data.publish(zone(4), vec![change(4, 2 * HISTORY_RECORDS)]);
        assert_eq!(history(&data), 0);
    }
}
