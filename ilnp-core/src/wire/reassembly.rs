//! Putting fragments together (RFC 8200 §4.5).
//!
//! Packets with overlapping fragments are dropped as a whole, and so is what still comes of them
//! (RFC 5722); fragments that arrive twice are not overlapping. A packet in a single fragment is
//! made whole at once (RFC 6946). A Nonce in front of the Fragment header counts among what tells
//! packets apart, so that a fragment without it, or with another, never becomes part of a packet
//! that has it.
//!
//! Memory is bounded by [`Limits`]: when they are reached, the packet goes whose first fragment
//! came first.

use core::net::Ipv6Addr;
use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::headers::{Headers, IPV6_HEADER, set_payload_length};
use super::{FragmentField, Nonce, Packet};
use crate::drop_reason::DropReason;
use crate::time::Instant;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Packets that are not whole yet.
    pub packets: usize,
    /// Octets of all their fragments.
    pub octets: usize,
    /// Fragments of one packet.
    pub fragments: usize,
    /// How long after its first fragment a packet must be whole.
    pub lifetime: Duration,
}

impl Default for Limits {
    /// 64 packets with 1 MiB, 128 fragments each (the largest packet takes 54 on the smallest
    /// link), and the 60 seconds of RFC 8200.
    fn default() -> Self {
        Self {
            packets: 64,
            octets: 1 << 20,
            fragments: 128,
            lifetime: Duration::from_secs(60),
        }
    }
}

/// Keeps fragments until their packets are whole.
#[derive(Debug)]
pub struct Reassembler {
    limits: Limits,
    partials: BTreeMap<Key, Partial>,
}

/// What the fragments of one packet have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: Ipv6Addr,
    destination: Ipv6Addr,
    identification: u32,
    nonce: Option<Nonce>,
}

/// A packet that is not whole yet.
#[derive(Debug)]
struct Partial {
    since: Instant,
    /// The headers in front of the first fragment's Fragment header.
    head: Option<Vec<u8>>,
    /// The parts by their offset. They do not overlap.
    parts: BTreeMap<usize, Bytes>,
    /// How many octets the parts have together.
    octets: usize,
    /// Where the last part ends.
    end: Option<usize>,
    /// Fragments contradicted each other: nothing is kept, all that still comes is dropped.
    refused: bool,
}

impl Reassembler {
    /// An empty one.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            partials: BTreeMap::new(),
        }
    }

    /// Takes a packet with its own headers. Gives it back when it is whole: at once if it is no
    /// fragment.
    ///
    /// # Errors
    /// [`DropReason::Malformed`] when a fragment's length is impossible, [`DropReason::Fragment`]
    /// when it contradicts others of its packet or there are too many.
    pub fn push(
        &mut self,
        now: Instant,
        packet: &Packet,
        headers: &Headers,
    ) -> Result<Option<Packet>, DropReason> {
        self.handle_timeout(now);
        let Some(field) = &headers.fragment else {
            return Ok(Some(packet.clone()));
        };
        let part = Part::read(headers.packet(&packet.octets), field)?;
        if field.is_atomic() {
            return whole(part.head()?, &[part.octets]).map(Some);
        }
        let key = Key::of(headers, field);
        let partial = self.partials.entry(key.clone());
        let partial = partial.or_insert_with(|| Partial::new(now));
        partial.add(&part, self.limits.fragments)?;
        let finished = partial.finish();
        if finished.is_some() {
            self.partials.remove(&key);
        }
        self.enforce_limits();
        finished.transpose()
    }

    /// When the next packet is given up, if there is one.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let oldest = self.partials.values().map(|partial| partial.since).min();
        oldest.map(|since| since + self.limits.lifetime)
    }

    /// Gives up the packets whose time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        let lifetime = self.limits.lifetime;
        self.partials
            .retain(|_, partial| partial.since + lifetime > now);
    }

    fn enforce_limits(&mut self) {
        while self.partials.len() > self.limits.packets || self.octets() > self.limits.octets {
            let ages = self.partials.iter();
            let oldest = ages.min_by_key(|(_, partial)| partial.since);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            self.partials.remove(&key);
        }
    }

    fn octets(&self) -> usize {
        self.partials.values().map(|partial| partial.octets).sum()
    }
}

impl Key {
    fn of(headers: &Headers, field: &FragmentField) -> Self {
        let in_front = headers
            .nonce
            .as_ref()
            .filter(|found| found.header.end <= field.header.start);
        Self {
            source: headers.source,
            destination: headers.destination,
            identification: field.identification,
            nonce: in_front.map(|found| found.nonce),
        }
    }
}

/// What one fragment brings.
struct Part<'a> {
    octets: &'a [u8],
    range: core::ops::Range<usize>,
    more: bool,
    /// The headers in front of the Fragment header, and where they name it.
    front: &'a [u8],
    named_at: usize,
    /// What the Fragment header names.
    next_header: u8,
}

impl<'a> Part<'a> {
    fn read(packet: &'a [u8], field: &FragmentField) -> Result<Self, DropReason> {
        let malformed = DropReason::Malformed;
        let octets = packet.get(field.header.end..).ok_or(malformed)?;
        let start = usize::from(field.offset);
        let end = start + octets.len();
        let uneven = field.more && (octets.is_empty() || !octets.len().is_multiple_of(8));
        if uneven || end > usize::from(u16::MAX) {
            return Err(malformed);
        }
        Ok(Self {
            octets,
            range: start..end,
            more: field.more,
            front: packet.get(..field.header.start).ok_or(malformed)?,
            named_at: field.named_at,
            next_header: *packet.get(field.header.start).ok_or(malformed)?,
        })
    }

    /// The headers that the whole packet gets.
    fn head(&self) -> Result<Vec<u8>, DropReason> {
        let mut head = self.front.to_vec();
        let field = head.get_mut(self.named_at);
        *field.ok_or(DropReason::Malformed)? = self.next_header;
        Ok(head)
    }
}

impl Partial {
    const fn new(since: Instant) -> Self {
        Self {
            since,
            head: None,
            parts: BTreeMap::new(),
            octets: 0,
            end: None,
            refused: false,
        }
    }

    /// Keeps a part, unless it is there already.
    fn add(&mut self, part: &Part<'_>, most: usize) -> Result<(), DropReason> {
        let known = self.parts.get(&part.range.start);
        if known.is_some_and(|known| known == part.octets) && self.agrees_on_end(part) {
            return Ok(());
        }
        let full = self.parts.len() >= most;
        if self.refused || full || self.overlaps(part) || !self.agrees_on_end(part) {
            self.parts.clear();
            self.octets = 0;
            self.head = None;
            self.refused = true;
            return Err(DropReason::Fragment);
        }
        if part.range.start == 0 {
            self.head = Some(part.head()?);
        }
        if !part.more {
            self.end = Some(part.range.end);
        }
        self.octets += part.octets.len();
        let octets = Bytes::copy_from_slice(part.octets);
        self.parts.insert(part.range.start, octets);
        Ok(())
    }

    fn overlaps(&self, part: &Part<'_>) -> bool {
        let before = self.parts.range(..part.range.start).next_back();
        let reaches_in = before.is_some_and(|(at, octets)| at + octets.len() > part.range.start);
        let starts_in = self.parts.range(part.range.clone()).next().is_some();
        reaches_in || starts_in || self.parts.contains_key(&part.range.start)
    }

    /// Whether the part ends where the packet ends, or before that if more follow.
    fn agrees_on_end(&self, part: &Part<'_>) -> bool {
        let last = self.parts.last_key_value();
        let reached = last.map_or(0, |(at, octets)| at + octets.len());
        match (self.end, part.more) {
            (Some(end), false) => part.range.end == end,
            (Some(end), true) => part.range.end <= end,
            (None, false) => part.range.end >= reached,
            (None, true) => true,
        }
    }

    /// The whole packet, once nothing is missing.
    fn finish(&self) -> Option<Result<Packet, DropReason>> {
        let end = self.end?;
        let head = self.head.clone()?;
        // The parts do not overlap and none lies behind the end.
        (self.octets == end).then(|| {
            let parts: Vec<&[u8]> = self.parts.values().map(Bytes::as_ref).collect();
            whole(head, &parts)
        })
    }
}

fn whole(mut head: Vec<u8>, parts: &[&[u8]]) -> Result<Packet, DropReason> {
    head.reserve(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        head.extend_from_slice(part);
    }
    if head.len() < IPV6_HEADER {
        return Err(DropReason::Malformed);
    }
    set_payload_length(&mut head).map_err(|_| DropReason::Malformed)?;
    Ok(Packet::new(head))
}
