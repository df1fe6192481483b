//! The tables that the programs read: written here, nowhere else.

use std::collections::BTreeMap;

use aya::Ebpf;
use aya::Pod;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use ilnp_core::id::{Handle, HandlePrefix, Locator};
use ilnp_core::node::{Activity, ClassicFlow, PathEntry, Restored, Slot, SlotIndex};
use nix::errno::Errno;

use crate::clock;

use super::counters::Counters;
use super::error::{DataPathError, errno};
use super::layout::{
    ActivityValue, CLASSIC_FLOWS, ConfigValue, FlowKey, NonceKey, OriginValue, PeerValue,
    SlotValue, handle_of,
};

/// The names of the tables, in the object and in the pin directory.
pub(super) const NAMES: [&str; 8] = [
    PEERS, NONCES, SLOTS, LOCATORS, CLASSIC, COUNTERS, CONFIG, QUEUE,
];
const PEERS: &str = "ilnp_peers";
const NONCES: &str = "ilnp_nonces";
const SLOTS: &str = "ilnp_slots";
const LOCATORS: &str = "ilnp_locators";
const CLASSIC: &str = "ilnp_classic";
const COUNTERS: &str = "ilnp_counters";
const CONFIG: &str = "ilnp_config";
pub(super) const QUEUE: &str = "ilnp_queue";

/// The open tables.
pub(super) struct Maps {
    peers: HashMap<MapData, [u8; 16], PeerValue>,
    nonces: HashMap<MapData, NonceKey, OriginValue>,
    slots: Array<MapData, SlotValue>,
    locators: HashMap<MapData, [u8; 8], u32>,
    classic: HashMap<MapData, FlowKey, u8>,
    counters: PerCpuArray<MapData, u64>,
    config: Array<MapData, ConfigValue>,
    handle_prefix: HandlePrefix,
    /// Slots with what an earlier daemon put there and this one has not touched.
    inherited: [bool; SlotIndex::COUNT],
}

impl Maps {
    pub(super) fn take(
        ebpf: &mut Ebpf,
        handle_prefix: HandlePrefix,
    ) -> Result<Self, DataPathError> {
        Ok(Self {
            peers: take(ebpf, PEERS)?,
            nonces: take(ebpf, NONCES)?,
            slots: take(ebpf, SLOTS)?,
            locators: take(ebpf, LOCATORS)?,
            classic: take(ebpf, CLASSIC)?,
            counters: take(ebpf, COUNTERS)?,
            config: take(ebpf, CONFIG)?,
            handle_prefix,
            inherited: [true; SlotIndex::COUNT],
        })
    }

    pub(super) fn config(&self) -> Result<ConfigValue, DataPathError> {
        self.config.get(&0, 0).map_err(read(CONFIG))
    }

    pub(super) fn set_config(&mut self, value: ConfigValue) -> Result<(), DataPathError> {
        self.config.set(0, value, 0).map_err(write(CONFIG))
    }

    /// Forgets every session: they belong to another identity.
    pub(super) fn clear(&mut self) -> Result<(), DataPathError> {
        clear(&mut self.peers).map_err(write(PEERS))?;
        clear(&mut self.nonces).map_err(write(NONCES))?;
        clear(&mut self.classic).map_err(write(CLASSIC))
    }

    /// Sets or clears a slot. New Locators are known as ours before anything is sent from them,
    /// and old ones until nothing is.
    pub(super) fn set_slot(
        &mut self,
        index: SlotIndex,
        slot: Option<&Slot>,
    ) -> Result<(), DataPathError> {
        let at = index.0;
        let touched = self
            .inherited
            .get_mut(usize::from(at))
            .ok_or(DataPathError::NoSlot(at))?;
        *touched = false;
        let value = SlotValue::new(slot);
        if let Some(locator) = value.locator() {
            self.locators
                .insert(locator, u32::from(at), 0)
                .map_err(write(LOCATORS))?;
        }
        self.slots.set(at.into(), value, 0).map_err(write(SLOTS))?;
        self.settle_locators()
    }

    /// Clears the slots that an earlier daemon set and this one has not.
    pub(super) fn forget_inherited_slots(&mut self) -> Result<(), DataPathError> {
        for at in 0u8..16 {
            if self
                .inherited
                .get(usize::from(at))
                .is_some_and(|&inherited| inherited)
            {
                self.set_slot(SlotIndex(at), None)?;
            }
        }
        Ok(())
    }

    /// Makes the table of our Locators agree with the slots. The preferred slot repeats another
    /// one's Locator as a rule; the other one leads to the right way out whichever is preferred.
    fn settle_locators(&mut self) -> Result<(), DataPathError> {
        let mut wanted = BTreeMap::new();
        for (index, slot) in (0..).zip(self.slots.iter()) {
            if let Some(locator) = slot.map_err(read(SLOTS))?.locator() {
                wanted.insert(locator, index);
            }
        }
        for (&locator, &index) in &wanted {
            let known = self.locators.get(&locator, 0).ok();
            if known != Some(index) {
                self.locators
                    .insert(locator, index, 0)
                    .map_err(write(LOCATORS))?;
            }
        }
        let known: Vec<_> = self.locators.keys().filter_map(Result::ok).collect();
        for locator in known {
            if !wanted.contains_key(&locator) {
                removed(self.locators.remove(&locator)).map_err(write(LOCATORS))?;
            }
        }
        Ok(())
    }

    /// Sets a correspondent. What the data path saw of it is kept. Its packets are understood
    /// before any is sent to it.
    pub(super) fn set_correspondent(
        &mut self,
        handle: Handle,
        entry: &PathEntry,
    ) -> Result<(), DataPathError> {
        let address = self.handle_prefix.address(handle).octets();
        let before = self.peers.get(&address, 0).ok();
        let now = ActivityValue::at(clock::now());
        let peer = PeerValue::new(entry, before.map_or(now, |peer| peer.sent));
        let key = NonceKey::new(handle.nid, peer.nonce_in);
        let key_before = before.map(|peer| NonceKey::new(handle.nid, peer.nonce_in));
        let heard = key_before
            .and_then(|key| self.nonces.get(&key, 0).ok())
            .map_or(now, |origin| origin.heard);
        let prefix = self.handle_prefix.alias(handle.alias);
        self.nonces
            .insert(key, OriginValue::new(entry, prefix, heard), 0)
            .map_err(write(NONCES))?;
        if let Err(error) = self.peers.insert(address, peer, 0) {
            if key_before != Some(key) {
                removed(self.nonces.remove(&key)).map_err(write(NONCES))?;
            }
            return Err(write(PEERS)(error));
        }
        match key_before {
            Some(before) if before != key => {
                removed(self.nonces.remove(&before)).map_err(write(NONCES))
            }
            _ => Ok(()),
        }
    }

    /// Removes a correspondent; that it is not there is no error.
    pub(super) fn remove_correspondent(&mut self, handle: Handle) -> Result<(), DataPathError> {
        let address = self.handle_prefix.address(handle).octets();
        let Ok(peer) = self.peers.get(&address, 0) else {
            return Ok(());
        };
        removed(self.peers.remove(&address)).map_err(write(PEERS))?;
        removed(
            self.nonces
                .remove(&NonceKey::new(handle.nid, peer.nonce_in)),
        )
        .map_err(write(NONCES))
    }

    /// When packets of a correspondent were last seen, or `None` when it has no entry.
    pub(super) fn activity(&self, handle: Handle) -> Option<Activity> {
        let address = self.handle_prefix.address(handle).octets();
        let peer = self.peers.get(&address, 0).ok()?;
        let key = NonceKey::new(handle.nid, peer.nonce_in);
        let origin = self.nonces.get(&key, 0).ok()?;
        Some(peer.activity(&origin))
    }

    /// Diverts a flow to the daemon, or stops doing so.
    pub(super) fn set_classic(
        &mut self,
        flow: ClassicFlow,
        present: bool,
    ) -> Result<(), DataPathError> {
        let key = FlowKey::from(flow);
        if present {
            self.classic.insert(key, 1, 0).map_err(write(CLASSIC))?;
        } else {
            removed(self.classic.remove(&key)).map_err(write(CLASSIC))?;
        }
        let any = present || self.classic.keys().next().is_some();
        let mut config = self.config()?;
        let flags = if any {
            config.flags | CLASSIC_FLOWS
        } else {
            config.flags & !CLASSIC_FLOWS
        };
        if flags != config.flags {
            config.flags = flags;
            self.set_config(config)?;
        }
        Ok(())
    }

    /// The sessions that an earlier daemon left. An entry that makes no sense is removed.
    pub(super) fn restore(&mut self) -> Result<Vec<Restored>, DataPathError> {
        let mut restored = Vec::new();
        let mut senseless = Vec::new();
        for address in self
            .peers
            .keys()
            .collect::<Result<Vec<_>, _>>()
            .map_err(read(PEERS))?
        {
            match self.restored(address) {
                Some(session) => restored.push(session),
                None => senseless.push(address),
            }
        }
        for address in senseless {
            removed(self.peers.remove(&address)).map_err(write(PEERS))?;
        }
        Ok(restored)
    }

    fn restored(&self, address: [u8; 16]) -> Option<Restored> {
        let vector = handle_of(address);
        let handle = Handle {
            nid: vector.nid,
            alias: self.handle_prefix.alias_of(vector.locator)?,
        };
        let peer = self.peers.get(&address, 0).ok()?;
        let key = NonceKey::new(handle.nid, peer.nonce_in);
        let origin = self.nonces.get(&key, 0).ok()?;
        Some(Restored {
            names: Vec::new(),
            handle,
            entry: peer.entry(&origin)?,
            activity: peer.activity(&origin),
        })
    }

    pub(super) fn counters(&self) -> Result<Counters, DataPathError> {
        Counters::read(|index| {
            self.counters
                .get(&index, 0)
                .map(|values| values.iter().sum())
                .map_err(read(COUNTERS))
        })
    }
}

/// The prefixes of all aliases, as the configuration table holds them.
pub(super) fn handle_prefixes(prefix: HandlePrefix) -> [[u8; 8]; 4] {
    [0, 1, 2, 3].map(|alias| Locator::octets(prefix.alias(alias)))
}

pub(super) fn take<T>(ebpf: &mut Ebpf, name: &'static str) -> Result<T, DataPathError>
where
    T: TryFrom<Map, Error = MapError>,
{
    ebpf.take_map(name)
        .ok_or(MapError::ElementNotFound)
        .and_then(T::try_from)
        .map_err(DataPathError::failed_to("open a BPF table"))
}

fn clear<K: Pod, V: Pod>(map: &mut HashMap<MapData, K, V>) -> Result<(), MapError> {
    for key in map.keys().collect::<Result<Vec<_>, _>>()? {
        removed(map.remove(&key))?;
    }
    Ok(())
}

/// That an entry was gone already is no error.
fn removed(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(error) if errno(&error) == Some(Errno::ENOENT) => Ok(()),
        result => result,
    }
}

fn read(_: &'static str) -> impl FnOnce(MapError) -> DataPathError {
    DataPathError::failed_to("read a BPF table")
}

fn write(map: &'static str) -> impl FnOnce(MapError) -> DataPathError {
    move |error| match errno(&error) {
        Some(Errno::E2BIG) => DataPathError::MapFull(map),
        _ => DataPathError::failed_to("write a BPF table")(error),
    }
}
