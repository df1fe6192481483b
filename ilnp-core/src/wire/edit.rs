//! Inserting and removing a Nonce option: which octets of a packet change.
//!
//! The rule is described in [`translate`](super::translate).

use core::ops::Range;

use super::headers::Chain;
use super::options::{self, OPTIONS_START, Options};
use super::{Nonce, NonceField, protocol};
use crate::drop_reason::DropReason;

/// Where the IPv6 header says how long its payload is.
const PAYLOAD_LENGTH: usize = 4;

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
        let place = Place::find(octets)?;
        let Some(length) = place.options_length else {
            return Ok(Self {
                replaced: place.at..place.at,
                replacement: options::nonce_header(place.kind, nonce),
                field: place.named_at,
                value: protocol::DESTINATION_OPTIONS,
            });
        };
        let at = place.at + OPTIONS_START;
        let length = length.checked_add(nonce.length().header_units());
        let mut option = options::nonce_option(nonce);
        option.extend_from_slice(&options::padding(2));
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
        let field = changed.get_mut(PAYLOAD_LENGTH..);
        let field = field.and_then(<[u8]>::first_chunk_mut).ok_or(malformed)?;
        let length = usize::from(u16::from_be_bytes(*field)).cast_signed();
        let length = length + self.growth();
        if length < 0 {
            return Err(malformed);
        }
        let length = u16::try_from(length).map_err(|_| DropReason::PacketTooBig)?;
        *field = length.to_be_bytes();
        Ok(changed)
    }
}

/// Where a Nonce goes.
struct Place {
    at: usize,
    /// The number of the header that is there now.
    kind: u8,
    /// Where the preceding header names it.
    named_at: usize,
    /// Hdr Ext Len of the Destination Options header that is there now.
    options_length: Option<u8>,
}

impl Place {
    /// Behind the IPv6 header, and behind the Hop-by-Hop Options and Routing headers if there are
    /// any: nodes on the way read what stands before a Routing header.
    fn find(octets: &[u8]) -> Result<Self, DropReason> {
        let mut chain = Chain::new(octets)?;
        let mut place = Self::here(&chain, octets);
        while let Some(extension) = chain.advance()? {
            match extension.kind {
                protocol::FRAGMENT => break,
                protocol::DESTINATION_OPTIONS => {}
                _ => place = Self::here(&chain, octets),
            }
        }
        Ok(place)
    }

    fn here(chain: &Chain<'_>, octets: &[u8]) -> Self {
        let length = octets.get(chain.next + 1).copied();
        Self {
            at: chain.next,
            kind: chain.kind,
            named_at: chain.named_at,
            options_length: length.filter(|_| chain.kind == protocol::DESTINATION_OPTIONS),
        }
    }
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
