//! A model of the data path: what the BPF programs of the daemon do with packets, slots and
//! correspondents.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use super::internet;
use crate::id::{Handle, HandlePrefix, IlVector, Nid};
use crate::node::{
    Activity, ClassicFlow, DatapathUpdate, Input, PathEntry, Restored, Slot, SlotIndex,
};
use crate::time::Instant;
use crate::wire::translate::{Inward, Outward, inward, outward};
use crate::wire::{Headers, Nonce, NonceField, Packet, Transport, icmpv6, protocol};

/// What becomes of a packet that a local program sends to a handle.
#[derive(Debug, PartialEq, Eq)]
pub enum Outbound {
    /// It leaves by this interface.
    Wire(u32, Packet),
    /// The daemon gets it.
    Daemon,
}

/// What becomes of a packet from the wire.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound {
    /// The stack gets it, translated.
    Stack(Packet),
    /// The daemon gets it as it is.
    Daemon,
    /// It is classic IPv6: the stack gets it as it is.
    Classic,
    /// A handle on the wire: a forgery or a leak.
    Dropped,
}

#[derive(Clone, Debug)]
struct Correspondent {
    entry: PathEntry,
    activity: Activity,
}

/// The tables of the data path and what was counted.
#[derive(Clone, Debug)]
pub struct DataPath {
    nid: Nid,
    prefix: HandlePrefix,
    slots: [Option<Slot>; SlotIndex::COUNT],
    correspondents: BTreeMap<Handle, Correspondent>,
    nonces: BTreeMap<(Nid, Nonce), Handle>,
    classic: BTreeSet<ClassicFlow>,
    translated: u64,
}

impl DataPath {
    /// Empty tables.
    pub fn new(nid: Nid, prefix: HandlePrefix) -> Self {
        Self {
            nid,
            prefix,
            slots: [None; SlotIndex::COUNT],
            correspondents: BTreeMap::new(),
            nonces: BTreeMap::new(),
            classic: BTreeSet::new(),
            translated: 0,
        }
    }

    /// How many packets were translated without the daemon.
    pub fn translated(&self) -> u64 {
        self.translated
    }

    /// How many correspondents the tables hold.
    pub fn correspondents(&self) -> usize {
        self.correspondents.len()
    }

    /// How many classic flows are diverted.
    pub fn classic_flows(&self) -> usize {
        self.classic.len()
    }

    /// The entry of a correspondent.
    pub fn entry(&self, handle: &Handle) -> Option<&PathEntry> {
        Some(&self.correspondents.get(handle)?.entry)
    }

    /// The slots as they stand.
    pub fn slots(&self) -> &[Option<Slot>] {
        &self.slots
    }

    /// What a new daemon finds.
    pub fn restore(&self) -> impl Iterator<Item = Restored> {
        self.correspondents.iter().map(|(handle, found)| Restored {
            names: Vec::new(),
            handle: *handle,
            entry: found.entry.clone(),
            activity: found.activity,
        })
    }

    /// Applies a change; the answer goes back to the node.
    pub fn apply(&mut self, now: Instant, update: DatapathUpdate) -> Option<Input> {
        match update {
            DatapathUpdate::Slot { index, slot } => {
                if let Some(place) = self.slots.get_mut(usize::from(index.0)) {
                    *place = slot;
                }
            }
            DatapathUpdate::Correspondent { handle, entry } => {
                self.set_correspondent(now, handle, entry.map(|entry| *entry));
            }
            DatapathUpdate::ClassicFlow { flow, present } => {
                if present {
                    self.classic.insert(flow);
                } else {
                    self.classic.remove(&flow);
                }
            }
            DatapathUpdate::ReadActivity(handle) => {
                let activity = self.correspondents.get(&handle).map(|found| found.activity);
                return Some(Input::Activity { handle, activity });
            }
        }
        None
    }

    fn set_correspondent(&mut self, now: Instant, handle: Handle, entry: Option<PathEntry>) {
        let old = self.correspondents.remove(&handle);
        if let Some(old) = &old {
            self.nonces.remove(&(handle.nid, old.entry.nonce_in));
        }
        let Some(entry) = entry else { return };
        let fresh = Activity {
            sent: now,
            heard: now,
        };
        let activity = old.map_or(fresh, |old| old.activity);
        self.nonces.insert((handle.nid, entry.nonce_in), handle);
        let correspondent = Correspondent { entry, activity };
        self.correspondents.insert(handle, correspondent);
    }

    /// `ilnp_out`: a packet of a local program to a handle.
    pub fn outbound(&mut self, now: Instant, packet: &Packet) -> Outbound {
        self.fast_outbound(now, packet).unwrap_or(Outbound::Daemon)
    }

    fn fast_outbound(&mut self, now: Instant, packet: &Packet) -> Option<Outbound> {
        let headers = Headers::parse(&packet.octets).ok()?;
        if !is_fast(&headers, &packet.octets) {
            return None;
        }
        let handle = self.prefix.handle(headers.destination)?;
        if self.prefix.handle(headers.source) != Some(Handle::new(self.nid)) {
            return None;
        }
        let found = self.correspondents.get_mut(&handle)?;
        let slot = (*self.slots.get(usize::from(found.entry.slot.0))?)?;
        let way = Outward {
            source: slot.locator,
            destination: found.entry.destination,
            nonce: found.entry.nonce_out,
        };
        let translated = outward(packet, &way).ok()?;
        found.activity.sent = now;
        self.translated += 1;
        Some(Outbound::Wire(slot.interface, translated))
    }

    /// `ilnp_in`: a packet from the wire.
    pub fn inbound(&mut self, now: Instant, packet: &Packet) -> Inbound {
        let Ok(headers) = Headers::parse(&packet.octets) else {
            let options = packet.octets.get(NEXT_HEADER) == Some(&protocol::DESTINATION_OPTIONS);
            return if options {
                Inbound::Daemon
            } else {
                Inbound::Classic
            };
        };
        let on_wire = [headers.source, headers.destination];
        if on_wire
            .iter()
            .any(|address| self.prefix.handle(*address).is_some())
        {
            return Inbound::Dropped;
        }
        match &headers.nonce {
            Some(_) => self
                .fast_inbound(now, packet, &headers)
                .unwrap_or(Inbound::Daemon),
            None if self.concerns_daemon(packet, &headers) => Inbound::Daemon,
            None => Inbound::Classic,
        }
    }

    fn fast_inbound(
        &mut self,
        now: Instant,
        packet: &Packet,
        headers: &Headers,
    ) -> Option<Inbound> {
        let source = headers.source_vector();
        let ours = self.is_ours(headers.destination_vector());
        let nonce = headers.nonce.as_ref()?.nonce;
        let handle = *self.nonces.get(&(source.nid, nonce))?;
        let found = self.correspondents.get_mut(&handle)?;
        let known = found
            .entry
            .locators
            .iter()
            .take(PathEntry::FAST_LOCATORS)
            .any(|known| known.locator == source.locator);
        if !known || !ours || !is_fast(headers, &packet.octets) {
            return None;
        }
        let prefixes = Inward {
            source: self.prefix.alias(handle.alias),
            destination: self.prefix.locator(),
        };
        let translated = inward(packet, headers, &prefixes).ok()?;
        found.activity.heard = now;
        self.translated += 1;
        self.note_arrival(headers.destination_vector());
        Some(Inbound::Stack(translated))
    }

    /// Sends from a planned Locator from now on, since packets come to it.
    fn note_arrival(&mut self, at: IlVector) {
        let [Some(preferred), others @ ..] = &mut self.slots else {
            return;
        };
        let mut others = others.iter_mut().flatten();
        let planned = others.find(|slot| slot.planned && slot.locator == at.locator);
        if let Some(planned) = planned {
            planned.planned = false;
            *preferred = *planned;
        }
    }

    /// Whether a packet without a Nonce is the daemon's business.
    fn concerns_daemon(&self, packet: &Packet, headers: &Headers) -> bool {
        match headers.transport(&packet.octets) {
            Transport::Icmp { kind, .. } if icmpv6::is_error(kind) => {
                let quote = headers.upper_layer(&packet.octets).get(icmpv6::HEADER..);
                quote.is_some_and(|quote| self.is_quote_of_ours(quote))
            }
            Transport::Icmp { kind, .. } => kind == icmpv6::LOCATOR_UPDATE,
            Transport::Echo { request: true, .. } => false,
            transport => {
                let ends = (headers.source, headers.destination);
                self.is_classic_flow(ends, headers.protocol, reversed(transport))
            }
        }
    }

    /// Whether an ICMPv6 error quotes a packet that this host's data path or daemon translated.
    fn is_quote_of_ours(&self, quote: &[u8]) -> bool {
        let Ok(headers) = Headers::parse_quoted(quote) else {
            return false;
        };
        if quote.get(NEXT_HEADER) == Some(&protocol::DESTINATION_OPTIONS) {
            return headers.source_vector().nid == self.nid;
        }
        let ends = (headers.destination, headers.source);
        self.is_classic_flow(ends, headers.protocol, headers.transport(quote))
    }

    /// Whether the daemon translates the flow of a packet that this host sends, or the answer to it.
    fn is_classic_flow(
        &self,
        (remote, local): (Ipv6Addr, Ipv6Addr),
        protocol: u8,
        sent: Transport,
    ) -> bool {
        let (local_port, remote_port) = match sent {
            Transport::Tcp {
                source,
                destination,
                ..
            }
            | Transport::Udp {
                source,
                destination,
            } => (source, destination),
            Transport::Echo { identifier, .. } => (identifier, 0),
            Transport::Icmp { .. } | Transport::Other => return false,
        };
        self.classic.contains(&ClassicFlow {
            remote,
            local,
            protocol,
            remote_port,
            local_port,
        })
    }

    fn is_ours(&self, vector: IlVector) -> bool {
        let mut slots = self.slots.iter().flatten();
        vector.nid == self.nid && slots.any(|slot| slot.locator == vector.locator)
    }

    /// `ilnp_inject`: the interface that a packet of the daemon leaves by, or `None` when its
    /// source is none of this host's own I-LVs and it goes up the stack.
    pub fn injected(&self, packet: &Packet) -> Option<u32> {
        let source = internet::source(&packet.octets)?;
        let slot = self
            .slots
            .iter()
            .flatten()
            .find(|slot| slot.locator == source.locator)?;
        (source.nid == self.nid).then_some(slot.interface)
    }
}

/// Where the IPv6 header names the header that follows it.
const NEXT_HEADER: usize = 6;

/// The ports of an answer, as those of the packet that it answers.
const fn reversed(received: Transport) -> Transport {
    match received {
        Transport::Tcp {
            source,
            destination,
            sequence,
            acknowledgement,
            flags,
        } => Transport::Tcp {
            source: destination,
            destination: source,
            sequence,
            acknowledgement,
            flags,
        },
        Transport::Udp {
            source,
            destination,
        } => Transport::Udp {
            source: destination,
            destination: source,
        },
        other => other,
    }
}

/// Whether the BPF programs take packets with these headers.
fn is_fast(headers: &Headers, octets: &[u8]) -> bool {
    const FIRST: usize = 40;
    let lone = |field: &NonceField| field.alone && field.header.start == FIRST;
    let plain = headers.nonce.as_ref().is_none_or(lone);
    let icmp = matches!(headers.transport(octets), Transport::Icmp { .. })
        || headers.fragment.is_some() && headers.protocol == protocol::ICMPV6;
    plain && !icmp && headers.protocol != protocol::NO_NEXT_HEADER
}
