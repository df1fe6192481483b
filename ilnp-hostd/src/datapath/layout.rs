//! Keys and values of the BPF tables, octet for octet as `bpf/lib/maps.h` has them.
//!
//! Identifiers, Locators and Nonces are in network order; times and indices in the host's.
#![expect(unsafe_code, reason = "aya wants plain old data marked by hand")]

use core::net::Ipv6Addr;

use aya::Pod;
use ilnp_core::id::{IlVector, Locator, Nid, Preference};
use ilnp_core::node::{Activity, ClassicFlow, PathEntry, PathLocator, Slot, SlotIndex};
use ilnp_core::time::Instant;
use ilnp_core::wire::Nonce;

/// Changes with every change of a layout or of what a field means. Part of the pins' path.
pub(super) const LAYOUT: &str = "layout-1";

const NONCE_OPTION: u8 = 0x8b;
const SLOT_PRESENT: u32 = 1;
const SLOT_ROUTER: u32 = 2;
const SLOT_PLANNED: u32 = 4;

/// Configuration flag: the table of classic flows has entries.
pub(super) const CLASSIC_FLOWS: u32 = 1;

/// `struct activity`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ActivityValue {
    pub(super) nanos: u64,
    tick: u64,
}

/// `struct nonce`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct NonceValue {
    octets: [u8; 12],
    length: u8,
    pad: [u8; 3],
}

/// `struct peer`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct PeerValue {
    locator: [u8; 8],
    header: [u8; 16],
    header_length: u8,
    slot: u8,
    pad: [u8; 6],
    pub(super) sent: ActivityValue,
    pub(super) nonce_in: NonceValue,
}

/// `struct nonce_key`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct NonceKey {
    nid: [u8; 8],
    nonce: NonceValue,
}

/// `struct origin`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct OriginValue {
    handle_prefix: [u8; 8],
    count: u8,
    pad: [u8; 7],
    pub(super) heard: ActivityValue,
    locators: [[u8; 8]; PathEntry::FAST_LOCATORS],
    preference: [u16; PathEntry::FAST_LOCATORS],
    expires: [u64; PathEntry::FAST_LOCATORS],
}

/// `struct slot`.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SlotValue {
    locator: [u8; 8],
    router: [u8; 16],
    ifindex: u32,
    flags: u32,
}

/// `struct classic_flow`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct FlowKey {
    remote: [u8; 16],
    local: [u8; 16],
    remote_port: [u8; 2],
    local_port: [u8; 2],
    protocol: u8,
    pad: [u8; 3],
}

/// `struct config`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ConfigValue {
    pub(super) nid: [u8; 8],
    pub(super) handle_prefixes: [[u8; 8]; 4],
    pub(super) ifindex: u32,
    pub(super) flags: u32,
    pub(super) namespace: u64,
}

macro_rules! plain_old_data {
    ($($type:ty: $size:literal,)+) => {$(
        const _: () = assert!(size_of::<$type>() == $size);
        // SAFETY: `repr(C)` with no padding that is not a field (the size says so), made of
        // integers only: every pattern of octets is a value.
        unsafe impl Pod for $type {}
    )+};
}

plain_old_data! {
    PeerValue: 64,
    NonceKey: 24,
    OriginValue: 176,
    SlotValue: 32,
    FlowKey: 40,
    ConfigValue: 56,
}

impl ActivityValue {
    /// Seen at this instant; the program writes over it at the next packet.
    pub(super) const fn at(instant: Instant) -> Self {
        Self {
            nanos: instant.as_nanos(),
            tick: 0,
        }
    }

    pub(super) const fn instant(self) -> Instant {
        Instant::from_nanos(self.nanos)
    }
}

impl NonceValue {
    pub(super) fn new(nonce: &Nonce) -> Self {
        let mut octets = [0; 12];
        for (to, from) in octets.iter_mut().zip(nonce.as_slice()) {
            *to = *from;
        }
        Self {
            octets,
            length: if nonce.as_slice().len() == 4 { 4 } else { 12 },
            pad: [0; 3],
        }
    }

    fn nonce(&self) -> Option<Nonce> {
        Nonce::from_slice(self.octets.get(..usize::from(self.length))?)
    }
}

impl NonceKey {
    pub(super) const fn new(nid: Nid, nonce: NonceValue) -> Self {
        Self {
            nid: nid.octets(),
            nonce,
        }
    }
}

impl PeerValue {
    pub(super) fn new(entry: &PathEntry, sent: ActivityValue) -> Self {
        let nonce = NonceValue::new(&entry.nonce_out);
        let header_length = nonce.length + 4;
        let mut header = [0; 16];
        header[1] = header_length / 8 - 1;
        header[2] = NONCE_OPTION;
        header[3] = nonce.length;
        header[4..].copy_from_slice(&nonce.octets);
        Self {
            locator: entry.destination.octets(),
            header,
            header_length,
            slot: entry.slot.0,
            pad: [0; 6],
            sent,
            nonce_in: NonceValue::new(&entry.nonce_in),
        }
    }

    /// The entry as it was written, or `None` when no daemon wrote this.
    pub(super) fn entry(&self, origin: &OriginValue) -> Option<PathEntry> {
        let [_, _, _, length, nonce @ ..] = &self.header;
        let known = origin
            .locators
            .iter()
            .zip(origin.preference)
            .zip(origin.expires);
        Some(PathEntry {
            slot: SlotIndex(self.slot),
            destination: Locator::from_octets(self.locator),
            nonce_out: Nonce::from_slice(nonce.get(..usize::from(*length))?)?,
            nonce_in: self.nonce_in.nonce()?,
            locators: known
                .take(usize::from(origin.count))
                .map(|((&locator, preference), expires)| PathLocator {
                    locator: Locator::from_octets(locator),
                    preference: Preference(preference),
                    expires: Instant::from_nanos(expires),
                })
                .collect(),
        })
    }

    /// When packets were last seen, in both directions.
    pub(super) const fn activity(&self, origin: &OriginValue) -> Activity {
        Activity {
            sent: self.sent.instant(),
            heard: origin.heard.instant(),
        }
    }
}

impl OriginValue {
    pub(super) fn new(entry: &PathEntry, handle_prefix: Locator, heard: ActivityValue) -> Self {
        let mut value = Self {
            handle_prefix: handle_prefix.octets(),
            count: 0,
            pad: [0; 7],
            heard,
            locators: [[0; 8]; PathEntry::FAST_LOCATORS],
            preference: [0; PathEntry::FAST_LOCATORS],
            expires: [0; PathEntry::FAST_LOCATORS],
        };
        let room = value
            .locators
            .iter_mut()
            .zip(&mut value.preference)
            .zip(&mut value.expires);
        for (((locator, preference), expires), known) in room.zip(&entry.locators) {
            *locator = known.locator.octets();
            *preference = known.preference.0;
            *expires = known.expires.as_nanos();
            value.count += 1;
        }
        value
    }
}

impl SlotValue {
    pub(super) fn new(slot: Option<&Slot>) -> Self {
        slot.map_or_else(Self::default, |slot| Self {
            locator: slot.locator.octets(),
            router: slot.router.unwrap_or(Ipv6Addr::UNSPECIFIED).octets(),
            ifindex: slot.interface,
            flags: SLOT_PRESENT
                | slot.router.map_or(0, |_| SLOT_ROUTER)
                | if slot.planned { SLOT_PLANNED } else { 0 },
        })
    }

    /// The Locator, when the slot holds one.
    pub(super) fn locator(&self) -> Option<[u8; 8]> {
        (self.flags & SLOT_PRESENT != 0).then_some(self.locator)
    }
}

impl From<ClassicFlow> for FlowKey {
    fn from(flow: ClassicFlow) -> Self {
        Self {
            remote: flow.remote.octets(),
            local: flow.local.octets(),
            remote_port: flow.remote_port.to_be_bytes(),
            local_port: flow.local_port.to_be_bytes(),
            protocol: flow.protocol,
            pad: [0; 3],
        }
    }
}

/// An address as the tables key by it.
pub(super) fn handle_of(key: [u8; 16]) -> IlVector {
    IlVector::from(Ipv6Addr::from(key))
}
