//! The options inside a Destination Options header (RFC 8200 §4.2, §4.6).
//!
//! ```text
//!  0             1             2             3             4 ...
//! +-------------+-------------+-------------+-------------+----------------
//! | Next Header | Hdr Ext Len | Option Type | Opt Length  | Option Data ...
//! +-------------+-------------+-------------+-------------+----------------
//! ```
//!
//! `Hdr Ext Len` counts units of 8 octets and leaves the first out; the Option Length counts the
//! data alone. Pad1 is a single zero octet without a length.

use core::ops::Range;

use super::Nonce;
use crate::drop_reason::DropReason;

/// Octets before the first option.
pub(super) const OPTIONS_START: usize = 2;
/// Option Type and Option Length.
pub(super) const OPTION_HEADER: usize = 2;

/// Pads by one octet.
pub(super) const PAD1: u8 = 0x00;
/// Pads by two octets or more.
pub(super) const PADN: u8 = 0x01;
/// The Nonce (RFC 6744 §2): a node that does not know it discards the packet and says so; it does
/// not change on the way.
pub(super) const NONCE: u8 = 0x8b;

/// One option and where it is, counted from the start of its header.
pub(super) struct OptionField {
    pub(super) kind: u8,
    pub(super) range: Range<usize>,
}

impl OptionField {
    pub(super) fn is_padding(&self) -> bool {
        matches!(self.kind, PAD1 | PADN)
    }
}

/// Goes through the options of one header; ends after the first that does not fit.
pub(super) struct Options<'a> {
    header: &'a [u8],
    next: usize,
}

impl<'a> Options<'a> {
    /// The options of a whole Destination Options header.
    pub(super) fn new(header: &'a [u8]) -> Self {
        Self {
            header,
            next: OPTIONS_START,
        }
    }

    fn read(&self, kind: u8) -> Result<OptionField, DropReason> {
        let end = if kind == PAD1 {
            self.next + 1
        } else {
            let length = self.header.get(self.next + 1);
            self.next + OPTION_HEADER + usize::from(*length.ok_or(DropReason::Malformed)?)
        };
        if end > self.header.len() {
            return Err(DropReason::Malformed);
        }
        Ok(OptionField {
            kind,
            range: self.next..end,
        })
    }
}

impl Iterator for Options<'_> {
    type Item = Result<OptionField, DropReason>;

    fn next(&mut self) -> Option<Self::Item> {
        let kind = *self.header.get(self.next)?;
        let option = self.read(kind);
        self.next = option
            .as_ref()
            .map_or(self.header.len(), |option| option.range.end);
        Some(option)
    }
}

/// The one Nonce of a header.
pub(super) struct FoundNonce {
    pub(super) nonce: Nonce,
    /// The option, counted from the start of the header.
    pub(super) range: Range<usize>,
    /// Whether the header holds nothing else but padding.
    pub(super) alone: bool,
}

/// Finds the Nonce in a whole Destination Options header.
///
/// # Errors
/// [`DropReason::Malformed`] when an option leaves the header, [`DropReason::NonceRepeated`] when
/// there are two, [`DropReason::NonceLength`] when it is neither 32 nor 96 bits long.
pub(super) fn find_nonce(header: &[u8]) -> Result<Option<FoundNonce>, DropReason> {
    let mut found = None;
    let mut others = false;
    for option in Options::new(header) {
        let option = option?;
        if option.kind != NONCE {
            others |= !option.is_padding();
            continue;
        }
        let value = header.get(option.range.start + OPTION_HEADER..option.range.end);
        let nonce = value.and_then(Nonce::from_slice);
        let nonce = nonce.ok_or(DropReason::NonceLength)?;
        if found.replace((nonce, option.range)).is_some() {
            return Err(DropReason::NonceRepeated);
        }
    }
    Ok(found.map(|(nonce, range)| FoundNonce {
        nonce,
        range,
        alone: !others,
    }))
}

/// The Nonce option.
pub(super) fn nonce_option(nonce: &Nonce) -> Vec<u8> {
    let mut option = vec![NONCE, nonce.length().option_length()];
    option.extend_from_slice(nonce.as_slice());
    option
}

/// A Destination Options header with nothing but the Nonce: 8 or 16 octets, no padding.
pub(super) fn nonce_header(next_header: u8, nonce: &Nonce) -> Vec<u8> {
    let mut header = vec![next_header, nonce.length().header_units() - 1];
    header.extend_from_slice(&nonce_option(nonce));
    header
}

/// Padding of this many octets, at most 7.
pub(super) fn padding(octets: usize) -> Vec<u8> {
    match octets {
        0 => Vec::new(),
        1 => vec![PAD1],
        more => {
            let mut padding = vec![0; more];
            let data = u8::try_from(more - OPTION_HEADER).unwrap_or(0);
            for (octet, value) in padding.iter_mut().zip([PADN, data]) {
                *octet = value;
            }
            padding
        }
    }
}
