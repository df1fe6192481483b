//! Between handles and Locators: the one translation rule.
//!
//! The BPF programs do the same to every packet that they take, octet by octet, and a test compares
//! the two. What follows is the whole rule.
//!
//! # Which octets change
//!
//! 1. **Addresses.** Octets 8-15 (source Locator) and 24-31 (destination Locator) of the IPv6
//!    header are written: Locators on the way out, handle prefixes on the way in. The identifiers,
//!    traffic class, flow label and hop limit stay.
//! 2. **The Nonce** is inserted on the way out and removed on the way in, as told below.
//! 3. **Payload Length** grows or shrinks by what 2. inserted or removed. More than 65535 is
//!    [`DropReason::PacketTooBig`].
//! 4. **ICMPv6 checksum.** It covers the whole addresses (RFC 6741 §4.3), so it is corrected as
//!    RFC 1624 equation 3 says: `HC' = ~(~HC + ~m + m')` over the eight changed words, folded in
//!    one's complement arithmetic. The sum is never zero, so the result is never 0xffff. This
//!    happens when the upper layer is ICMPv6, its checksum field is in the packet, and the packet
//!    is no fragment or the first one. A checksum left to the kernel (`VIRTIO_NET_HDR_F_NEEDS_CSUM`
//!    for just this field) holds the uncomplemented sum of the pseudo-header: `P' = P + ~m + m'`.
//! 5. **Nothing else.** TCP, UDP and other checksums stay: handle prefixes add up to zero, and ILNP
//!    checksums leave the Locators out (RFC 6744 §3).
//!
//! Octets behind the payload length are not part of the packet and are cut off.
//!
//! # Where the Nonce goes
//!
//! Right behind the IPv6 header; behind the Hop-by-Hop Options and Routing headers if there are
//! any; so always in front of a Fragment header, and in every fragment.
//!
//! * No Destination Options header is there: a new one is made, `NH len 8b n <nonce>`, of 8 octets
//!   for a 32-bit Nonce and 16 for a 96-bit one. Its Next Header is what the preceding Next Header
//!   field said; that field becomes 60.
//! * One is there: `8b n <nonce> 01 00` is put in front of its first option, 8 or 16 octets, and
//!   Hdr Ext Len grows by 1 or 2. The PadN keeps the alignment of all options behind it.
//!
//! A packet that has a Nonce already is refused ([`DropReason::NonceRepeated`]).
//!
//! # How the Nonce goes
//!
//! * Its header holds nothing else but padding: the whole header goes, and the preceding Next Header
//!   field takes the value that the header's own had.
//! * Otherwise the option goes, with as much of the padding right behind it as makes the two a
//!   multiple of 8 octets, or with all of that padding. What is left of them modulo 8 is put back
//!   as padding, so that the options behind keep their alignment, and Hdr Ext Len shrinks by the
//!   whole units.
//!
//! Going out and coming in again therefore restores every packet but one with a Destination Options
//! header full of padding, which is lost.
//!
//! # Offload
//!
//! The start of a checksum that is left to the kernel, and the length of the headers of a packet
//! that is left for it to segment, move by as much as the octets there moved. The segment length
//! stays: it counts payload.
//!
//! # Classic IPv6
//!
//! [`classic`] serves the flows of correspondents that do not speak ILNP (RFC 6744 §6): 1. and
//! no Nonce, and the checksums of TCP, UDP, UDP-Lite, DCCP and ICMPv6 are corrected as 4. says. A
//! UDP checksum that would be 0 is written as 0xffff, and one that is absent stays absent.

use pnet_packet::ipv6::MutableIpv6Packet;

use super::edit::Edit;
use super::headers::Headers;
use super::{Nonce, Offload, Packet, checksum, protocol};
use crate::drop_reason::DropReason;
use crate::id::{IlVector, Locator};

/// `VIRTIO_NET_HDR_GSO_NONE`.
const GSO_NONE: u8 = 0;

/// What a packet of an ILNP session gets on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outward {
    /// This host's Locator.
    pub source: Locator,
    /// The correspondent's Locator.
    pub destination: Locator,
    /// The Nonce that this host sends to it.
    pub nonce: Nonce,
}

/// What the upper halves of the addresses become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// The upper half of the source address.
    pub source: Locator,
    /// The upper half of the destination address.
    pub destination: Locator,
}

/// What a packet of an ILNP session gets on its way in: handle prefixes.
pub type Inward = Prefixes;

/// From handles to Locators, with a Nonce.
///
/// # Errors
/// As [`Headers::parse`]; [`DropReason::NonceRepeated`] when the packet has a Nonce already;
/// [`DropReason::PacketTooBig`] when its length fields have no room for one. The link's MTU is the
/// caller's business.
pub fn outward(packet: &Packet, outward: &Outward) -> Result<Packet, DropReason> {
    let headers = Headers::parse(&packet.octets)?;
    if headers.nonce.is_some() {
        return Err(DropReason::NonceRepeated);
    }
    let edit = Edit::insert(headers.packet(&packet.octets), &outward.nonce)?;
    let prefixes = Prefixes {
        source: outward.source,
        destination: outward.destination,
    };
    translate(packet, &headers, Some(&edit), &prefixes)
}

/// From Locators to handles; the Nonce, if there is one, is taken out. Checking it is the caller's
/// business. `headers` are those of this very packet.
///
/// # Errors
/// [`DropReason::Malformed`] when `headers` are another packet's.
pub fn inward(packet: &Packet, headers: &Headers, inward: &Inward) -> Result<Packet, DropReason> {
    let found = headers.nonce.as_ref();
    let edit = found.map(|found| Edit::remove(headers.packet(&packet.octets), found));
    translate(packet, headers, edit.transpose()?.as_ref(), inward)
}

/// Between handles and real addresses, either way, for a flow of classic IPv6: no Nonce, and every
/// checksum stays right.
///
/// # Errors
/// As [`Headers::parse`].
pub fn classic(packet: &Packet, prefixes: &Prefixes) -> Result<Packet, DropReason> {
    let headers = Headers::parse(&packet.octets)?;
    let mut octets = headers.packet(&packet.octets).to_vec();
    let field = ChecksumField::find(&headers, packet.offload);
    rewrite(&mut octets, prefixes, field)?;
    Ok(Packet {
        octets: octets.into(),
        offload: packet.offload,
    })
}

fn translate(
    packet: &Packet,
    headers: &Headers,
    edit: Option<&Edit>,
    prefixes: &Prefixes,
) -> Result<Packet, DropReason> {
    let octets = headers.packet(&packet.octets);
    let mut changed = match edit {
        Some(edit) => edit.apply(octets)?,
        None => octets.to_vec(),
    };
    let field = ChecksumField::find(headers, packet.offload).filter(ChecksumField::covers_locators);
    let moved = field.map(|field| field.moved(edit));
    rewrite(&mut changed, prefixes, moved)?;
    let offload = match (packet.offload, edit) {
        (Some(offload), Some(edit)) => Some(shift(offload, edit)?),
        (offload, _) => offload,
    };
    Ok(Packet {
        octets: changed.into(),
        offload,
    })
}

/// A checksum in a packet.
#[derive(Clone, Copy)]
pub(super) struct ChecksumField {
    at: usize,
    protocol: u8,
    /// Left to the kernel to finish.
    partial: bool,
}

impl ChecksumField {
    /// The upper layer's checksum, if it has one in this packet.
    pub(super) fn find(headers: &Headers, offload: Option<Offload>) -> Option<Self> {
        let offset = checksum::field_offset(headers.protocol)?;
        let at = headers.upper + offset;
        let present = headers.has_upper_header() && at + 2 <= headers.end;
        present.then(|| Self {
            at,
            protocol: headers.protocol,
            partial: checksum::is_partial(offload, at),
        })
    }

    /// Whether Locators count in an ILNP session (RFC 6741 §4.3, RFC 6744 §3).
    pub(super) fn covers_locators(&self) -> bool {
        self.protocol == protocol::ICMPV6
    }

    pub(super) fn moved(self, edit: Option<&Edit>) -> Self {
        Self {
            at: edit.map_or(self.at, |edit| edit.moved(self.at)),
            ..self
        }
    }

    /// Corrects the checksum for a change of these octets (RFC 1624).
    fn correct(self, packet: &mut [u8], old: &[u8], new: &[u8]) -> Option<()> {
        let field = packet.get_mut(self.at..)?.first_chunk_mut()?;
        let carried = u16::from_be_bytes(*field);
        let udp = self.protocol == protocol::UDP;
        let corrected = match (self.partial, carried) {
            (true, sum) => !checksum::update(!sum, old, new),
            (false, 0) if udp => 0,
            (false, sum) => match checksum::update(sum, old, new) {
                0 if udp => 0xffff,
                corrected => corrected,
            },
        };
        *field = corrected.to_be_bytes();
        Some(())
    }
}

/// Writes the upper halves of both addresses and corrects a checksum that covers them.
pub(super) fn rewrite(
    octets: &mut [u8],
    prefixes: &Prefixes,
    field: Option<ChecksumField>,
) -> Result<(), DropReason> {
    let mut view = MutableIpv6Packet::new(octets).ok_or(DropReason::Malformed)?;
    let old = [view.get_source(), view.get_destination()];
    let [source, destination] = old.map(|address| IlVector::from(address).nid);
    let new = [
        IlVector::new(source, prefixes.source).address(),
        IlVector::new(destination, prefixes.destination).address(),
    ];
    let [source, destination] = new;
    view.set_source(source);
    view.set_destination(destination);
    if let Some(field) = field {
        let [old, new] = [old, new].map(|pair| pair.map(|address| address.octets()));
        field
            .correct(octets, old.as_flattened(), new.as_flattened())
            .ok_or(DropReason::Malformed)?;
    }
    Ok(())
}

/// The work left to the kernel, after the headers changed.
fn shift(offload: Offload, edit: &Edit) -> Result<Offload, DropReason> {
    let moved = |offset: u16| {
        u16::try_from(edit.moved(offset.into())).map_err(|_| DropReason::PacketTooBig)
    };
    let mut shifted = offload;
    if offload.flags & checksum::NEEDS_CHECKSUM != 0 {
        shifted.checksum_start = moved(offload.checksum_start)?;
    }
    if offload.gso_type != GSO_NONE {
        shifted.header_len = moved(offload.header_len)?;
    }
    Ok(shifted)
}
