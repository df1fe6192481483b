//! Inserting and removing a Nonce option: which octets of a packet change.
//!
//! The rule is described in [`translate`](super::translate).

use core::ops::Range;

use pnet_packet::ipv6::MutableIpv6Packet;

use super::headers::{Chain, Place};
use super::options::{self, OPTIONS_START, Options};
use super::{Nonce, NonceField, protocol};
use crate::drop_reason::DropReason;

/// A change to the extension headers of a packet: some octets give way to others, and one octet
/// before them gets another value.
#[derive(Debug)]
pub(super) struct Edit {
    replaced: Range<usize>,
    replacement: Vec<u8>,
    /// A Next Header or Hdr Ext Len field.
    field: usize,
    value: u8,
}

impl Edit {
    /// Puts a Nonce into a packet that has none.
    ///
    /// # Errors
    /// [`DropReason::Malformed`] when the headers cannot be read, [`DropReason::PacketTooBig`] when
    /// a Destination Options header has no room left.
    pub(super) fn insert(octets: &[u8], nonce: &Nonce) -> Result<Self, DropReason> {
        let place = nonce_place(octets)?;
        if place.kind != protocol::DESTINATION_OPTIONS {
            return Ok(Self {
                replaced: place.at..place.at,
                replacement: options::nonce_header(place.kind, nonce),
                field: place.named_at,
                value: protocol::DESTINATION_OPTIONS,
            });
        }
        let at = place.at + OPTIONS_START;
        let mut option = options::nonce_option(nonce);
        option.extend_from_slice(&options::padding(2));
        let length = *octets.get(place.at + 1).ok_or(DropReason::Malformed)?;
        let length = length.checked_add(nonce.length().header_units());
        Ok(Self {
            replaced: at..at,
            replacement: option,
            field: place.at + 1,
            value: length.ok_or(DropReason::PacketTooBig)?,
        })
    }

    /// Takes the Nonce out of a packet.
    ///
    /// # Errors
    /// [`DropReason::Malformed`] when the field is not this packet's.
    pub(super) fn remove(octets: &[u8], found: &NonceField) -> Result<Self, DropReason> {
        let header = octets.get(found.header.clone());
        let header = header.ok_or(DropReason::Malformed)?;
        let [next_header, length, ..] = *header else {
            return Err(DropReason::Malformed);
        };
        if found.alone {
            return Ok(Self {
                replaced: found.header.clone(),
                replacement: Vec::new(),
                field: found.named_at,
                value: next_header,
            });
        }
        let end = padding_end(header, found)?;
        let left = (end - found.option.start) % 8;
        let units = u8::try_from((end - found.option.start) / 8).unwrap_or(u8::MAX);
        Ok(Self {
            replaced: found.option.start..end,
            replacement: options::padding(left),
            field: found.header.start + 1,
            value: length.checked_sub(units).ok_or(DropReason::Malformed)?,
        })
    }

    /// By how many octets the packet grows.
    pub(super) fn growth(&self) -> isize {
        // Both are at most the 2048 octets of a header.
        self.replacement.len().cast_signed() - self.replaced.len().cast_signed()
    }

    /// Where an octet is afterwards. Octets that are gone are where the change begins.
    pub(super) fn moved(&self, offset: usize) -> usize {
        if offset >= self.replaced.end {
            offset.saturating_add_signed(self.growth())
        } else {
            offset.min(self.replaced.start)
        }
    }

    /// The changed packet, its payload length set right.
    ///
    /// # Errors
    /// [`DropReason::PacketTooBig`] when the payload would have more than 65535 octets,
    /// [`DropReason::Malformed`] when the change does not fit this packet.
    pub(super) fn apply(&self, octets: &[u8]) -> Result<Vec<u8>, DropReason> {
        let malformed = DropReason::Malformed;
        let head = octets.get(..self.replaced.start).ok_or(malformed)?;
        let tail = octets.get(self.replaced.end..).ok_or(malformed)?;
        let mut changed = Vec::with_capacity(octets.len() + self.replacement.len());
        changed.extend_from_slice(head);
        changed.extend_from_slice(&self.replacement);
        changed.extend_from_slice(tail);
        *changed.get_mut(self.field).ok_or(malformed)? = self.value;
        let mut ipv6 = MutableIpv6Packet::new(&mut changed).ok_or(malformed)?;
        // A quote may be shorter than its payload length says.
        let length = usize::from(ipv6.get_payload_length());
        let length = length.checked_add_signed(self.growth()).ok_or(malformed)?;
        let length = u16::try_from(length).map_err(|_| DropReason::PacketTooBig)?;
        ipv6.set_payload_length(length);
        Ok(changed)
    }
}

/// Where a Nonce goes: behind the IPv6 header, and behind the Hop-by-Hop Options and Routing headers
/// if there are any, for nodes on the way read what stands before a Routing header.
fn nonce_place(octets: &[u8]) -> Result<Place, DropReason> {
    let mut chain = Chain::new(octets)?;
    let mut place = chain.place;
    while let Some(extension) = chain.advance()? {
        match extension.kind {
            protocol::FRAGMENT => break,
            protocol::DESTINATION_OPTIONS => {}
            _ => place = chain.place,
        }
    }
    Ok(place)
}

/// Where the padding ends that goes with the option: as little as makes the two a multiple of 8
/// octets together, or all there is.
fn padding_end(header: &[u8], found: &NonceField) -> Result<usize, DropReason> {
    let start = found.header.start;
    let mut end = found.option.end;
    for option in Options::new(header) {
        let option = option?;
        if start + option.range.start != end {
            continue;
        }
        if !option.is_padding() || (end - found.option.start).is_multiple_of(8) {
            break;
        }
        end = start + option.range.end;
    }
    Ok(end)
}
