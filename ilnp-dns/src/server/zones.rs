//! What the server serves: keys and zones.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::key::TsigKey;
use crate::name::Name;
use crate::zone::{Change, Extras, Grants, Serial, Zone};

/// How many changes of a zone are kept for incremental transfers.
const HISTORY: usize = 8192;

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
    history: Mutex<VecDeque<Arc<Change>>>,
    /// Tells those who notify secondary servers.
    serial: watch::Sender<Serial>,
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
        Self {
            origin: zone.origin().clone(),
            current: ArcSwap::from_pointee(zone),
            history: Mutex::new(history.into_iter().map(Arc::new).collect()),
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
        history.extend(changes.into_iter().map(Arc::new));
        let surplus = history.len().saturating_sub(HISTORY);
        history.drain(..surplus);
        self.current.store(Arc::new(zone));
        drop(history);
        self.serial.send_replace(serial);
    }

    /// Replaces the zone and its history by what the database says.
    pub(super) fn replace(&self, zone: Zone, changes: Vec<Change>) {
        self.history().clear();
        self.publish(zone, changes);
    }

    /// The zone together with the changes that lead to it from version `serial`; `None` when they
    /// are not kept.
    pub(super) fn changes_since(&self, serial: Serial) -> Option<(Arc<Zone>, Vec<Arc<Change>>)> {
        let history = self.history();
        let start = history
            .iter()
            .rposition(|change| change.old_serial() == serial)?;
        let changes = history.range(start..).cloned().collect();
        Some((self.current.load_full(), changes))
    }

    /// The serial, and word of every change of it.
    pub(super) fn watch(&self) -> watch::Receiver<Serial> {
        self.serial.subscribe()
    }

    fn history(&self) -> MutexGuard<'_, VecDeque<Arc<Change>>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
