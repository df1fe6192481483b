//! ICMPv6 errors (RFC 4443 §2.4, §3): they quote the packet that they are about, and both are
//! translated.
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |     Type      |     Code      |           Checksum            |
//! +---------------+---------------+-------------------------------+
//! |         MTU (Packet Too Big), Pointer (Parameter Problem)     |
//! +---------------------------------------------------------------+
//! |     The packet that it is about, as much of it as fits ...
//! ```
//!
//! A kernel finds the socket by the quoted addresses, so on the way in they become handles, and the
//! Nonce, of which the kernel knows nothing, is taken out of the quote. The MTU of a Packet Too Big
//! is for packets with a Nonce; what the kernel is told leaves room for it. On the way out all of
//! this is turned round.

use super::edit::Edit;
use super::icmpv6::{self, MAX_ERROR_PACKET};
use super::translate::{ChecksumField, Prefixes, rewrite};
use super::{Headers, Nonce, Packet, checksum, protocol};
use crate::drop_reason::DropReason;
use crate::id::{IlVector, Locator};

/// An ICMPv6 error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpError<'a> {
    /// 1 to 4.
    pub kind: u8,
    /// What it means depends on the kind.
    pub code: u8,
    /// The MTU of a Packet Too Big in octets, the pointer of a Parameter Problem; otherwise 0.
    pub value: u32,
    /// The quoted packet, without RFC 4884 extensions behind it.
    pub quote: &'a [u8],
    /// The headers of the quoted packet.
    pub quoted: Headers,
}

impl<'a> IcmpError<'a> {
    /// Reads an ICMPv6 message of type 1 to 4. Its checksum is the caller's business.
    ///
    /// # Errors
    /// [`DropReason::Malformed`] for other messages and quotes that break off within the headers;
    /// [`DropReason::NonceRepeated`] and [`DropReason::NonceLength`] for quotes that no node should
    /// have got.
    pub fn parse(message: &'a [u8]) -> Result<Self, DropReason> {
        let parts = message.split_first_chunk();
        let (&[kind, code, _, _, a, b, c, d], body) = parts.ok_or(DropReason::Malformed)?;
        let (value, quote) = match kind {
            icmpv6::PACKET_TOO_BIG | icmpv6::PARAMETER_PROBLEM => {
                (u32::from_be_bytes([a, b, c, d]), body)
            }
            icmpv6::DESTINATION_UNREACHABLE | icmpv6::TIME_EXCEEDED => {
                (0, without_extensions(body, a))
            }
            _ => return Err(DropReason::Malformed),
        };
        let quoted = Headers::parse_quoted(quote)?;
        Ok(Self {
            kind,
            code,
            value,
            quote: quoted.packet(quote),
            quoted,
        })
    }

    /// The Nonce of the quoted packet, if this is how a node that does not speak ILNP refuses it:
    /// a Parameter Problem that points at the option (RFC 6744 §6).
    pub fn refused_nonce(&self) -> Option<&Nonce> {
        let found = self.quoted.nonce.as_ref()?;
        let pointed_at = usize::try_from(self.value) == Ok(found.option.start);
        let refused = self.kind == icmpv6::PARAMETER_PROBLEM
            && self.code == icmpv6::UNRECOGNIZED_OPTION
            && pointed_at;
        refused.then_some(&found.nonce)
    }

    /// The quoted packet after this change to its headers, with these prefixes, in a message whose
    /// checksum is still to be written.
    fn requoted(&self, edit: Option<&Edit>, prefixes: &Prefixes) -> Result<Vec<u8>, DropReason> {
        let mut quote = match edit {
            Some(edit) => edit.apply(self.quote)?,
            None => self.quote.to_vec(),
        };
        let field = ChecksumField::find(&self.quoted, None);
        let field = field.filter(ChecksumField::covers_locators);
        rewrite(&mut quote, prefixes, field.map(|field| field.moved(edit)))?;
        let mut message = vec![self.kind, self.code, 0, 0];
        message.extend_from_slice(&self.revalued(edit).to_be_bytes());
        message.append(&mut quote);
        Ok(message)
    }

    /// MTU or pointer after this change to the headers of the quoted packet.
    fn revalued(&self, edit: Option<&Edit>) -> u32 {
        let (Some(edit), Ok(value)) = (edit, usize::try_from(self.value)) else {
            return self.value;
        };
        let changed = match self.kind {
            icmpv6::PACKET_TOO_BIG => value.saturating_add_signed(edit.growth()),
            icmpv6::PARAMETER_PROBLEM => edit.moved(value),
            _ => value,
        };
        u32::try_from(changed).unwrap_or(u32::MAX)
    }
}

/// What the quote is without the extensions of RFC 4884 §4: `length` counts its units of 8 octets,
/// and is 0 when there are no extensions.
fn without_extensions(body: &[u8], length: u8) -> &[u8] {
    match length {
        0 => body,
        units => body.get(..8 * usize::from(units)).unwrap_or(body),
    }
}

/// What an ICMPv6 error about a packet of an ILNP session gets on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorInward {
    /// This host's handle prefix: for the destination, and for the source in the quote.
    pub own: Locator,
    /// The correspondent's handle prefix: for the destination in the quote.
    pub correspondent: Locator,
    /// Whether the correspondent itself sent the error, so that its source becomes a handle too.
    /// A router keeps its address.
    pub from_correspondent: bool,
}

/// From Locators to handles: an error with what it quotes. A Nonce is taken out of both; checking
/// them is the caller's business. `headers` are those of this very packet.
///
/// # Errors
/// As [`IcmpError::parse`]; [`DropReason::IcmpChecksum`]; [`DropReason::Fragment`] when it is not
/// whole.
pub fn error_inward(
    packet: &Packet,
    headers: &Headers,
    inward: &ErrorInward,
) -> Result<Packet, DropReason> {
    let error = whole_error(packet, headers)?;
    let quoted_nonce = error.quoted.nonce.as_ref();
    let edit = quoted_nonce.map(|found| Edit::remove(error.quote, found));
    let message = error.requoted(
        edit.transpose()?.as_ref(),
        &Prefixes {
            source: inward.own,
            destination: inward.correspondent,
        },
    )?;
    let source = if inward.from_correspondent {
        inward.correspondent
    } else {
        headers.source_vector().locator
    };
    let outer = headers.nonce.as_ref();
    let outer = outer.map(|found| Edit::remove(&packet.octets, found));
    reassemble(
        packet,
        headers,
        outer.transpose()?.as_ref(),
        &Prefixes {
            source,
            destination: inward.own,
        },
        message,
    )
}

/// What an ICMPv6 error of this host's kernel gets on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorOutward {
    /// This host's Locator.
    pub source: Locator,
    /// The correspondent's Locator.
    pub destination: Locator,
    /// The Nonce that this host sends to it.
    pub nonce: Nonce,
    /// The Locator that the quoted packet came from.
    pub quoted_source: Locator,
    /// This host's Locator that the quoted packet came to.
    pub quoted_destination: Locator,
    /// The Nonce that the quoted packet had; `None` leaves the quote without.
    pub quoted_nonce: Option<Nonce>,
}

/// From handles to Locators: an error with what it quotes, as the correspondent sent it. The error
/// gets a Nonce. The end of the quote is cut off where the packet would exceed 1280 octets.
///
/// # Errors
/// As [`IcmpError::parse`]; [`DropReason::IcmpChecksum`]; [`DropReason::NonceRepeated`] when it has
/// a Nonce already.
pub fn error_outward(packet: &Packet, outward: &ErrorOutward) -> Result<Packet, DropReason> {
    let headers = Headers::parse(&packet.octets)?;
    if headers.nonce.is_some() {
        return Err(DropReason::NonceRepeated);
    }
    let error = whole_error(packet, &headers)?;
    let quoted_nonce = outward.quoted_nonce.as_ref();
    let edit = quoted_nonce.map(|nonce| Edit::insert(error.quote, nonce));
    let mut message = error.requoted(
        edit.transpose()?.as_ref(),
        &Prefixes {
            source: outward.quoted_source,
            destination: outward.quoted_destination,
        },
    )?;
    let outer = Edit::insert(headers.packet(&packet.octets), &outward.nonce)?;
    message.truncate(MAX_ERROR_PACKET.saturating_sub(outer.moved(headers.upper)));
    let prefixes = Prefixes {
        source: outward.source,
        destination: outward.destination,
    };
    reassemble(packet, &headers, Some(&outer), &prefixes, message)
}

/// The error in a packet, if it is whole and its checksum right.
fn whole_error<'a>(packet: &'a Packet, headers: &Headers) -> Result<IcmpError<'a>, DropReason> {
    if headers.protocol != protocol::ICMPV6 {
        return Err(DropReason::Malformed);
    }
    if headers
        .fragment
        .as_ref()
        .is_some_and(|field| !field.is_atomic())
    {
        return Err(DropReason::Fragment);
    }
    if !checksum::is_valid_icmpv6_packet(packet, headers) {
        return Err(DropReason::IcmpChecksum);
    }
    IcmpError::parse(headers.upper_layer(&packet.octets))
}

/// The packet with another message, other prefixes and a change to its headers.
fn reassemble(
    packet: &Packet,
    headers: &Headers,
    edit: Option<&Edit>,
    prefixes: &Prefixes,
    message: Vec<u8>,
) -> Result<Packet, DropReason> {
    let source = IlVector::new(headers.source_vector().nid, prefixes.source).address();
    let nid = headers.destination_vector().nid;
    let destination = IlVector::new(nid, prefixes.destination).address();
    let message = icmpv6::with_checksum(message, source, destination);
    let octets = headers.with_upper_layer(&packet.octets, &message)?;
    let mut octets = match edit {
        Some(edit) => edit.apply(&octets)?,
        None => octets,
    };
    rewrite(&mut octets, prefixes, None)?;
    Ok(Packet::new(octets))
}
