//! Cutting a packet into fragments (RFC 8200 §4.5).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------+---+-+
//! |  Next Header  |   Reserved    |     Fragment Offset     |Res|M|
//! +---------------+---------------+-------------------------+---+-+
//! |                        Identification                         |
//! +---------------------------------------------------------------+
//! ```
//!
//! A leading Nonce header is repeated in front of the Fragment header of every part, so that each is
//! authenticated and translated by itself.

use super::headers::{Chain, Extension, FRAGMENT_HEADER, Headers, Place, set_payload_length};
use super::{Packet, protocol};
use crate::drop_reason::DropReason;

/// Cuts a packet as it goes on the wire into fragments of at most `mtu` octets; one that is small
/// enough stays whole.
///
/// # Errors
/// [`DropReason::PacketTooBig`] when the packet is a fragment already, has work left for the
/// kernel, or the MTU has no room for the headers and 8 octets; else as [`Headers::parse`].
pub fn split(packet: &Packet, mtu: usize, identification: u32) -> Result<Vec<Packet>, DropReason> {
    let headers = Headers::parse(&packet.octets)?;
    if headers.end <= mtu {
        return Ok(vec![packet.clone()]);
    }
    if headers.fragment.is_some() || packet.offload.is_some() {
        return Err(DropReason::PacketTooBig);
    }
    let octets = headers.packet(&packet.octets);
    let place = fragment_place(octets, &headers)?;
    let (head, rest) = octets.split_at_checked(place.at).unwrap_or_default();
    let mut head = head.to_vec();
    if let Some(field) = head.get_mut(place.named_at) {
        *field = protocol::FRAGMENT;
    }
    let room = mtu.saturating_sub(head.len() + FRAGMENT_HEADER) / 8 * 8;
    if room == 0 {
        return Err(DropReason::PacketTooBig);
    }
    let last = rest.len().div_ceil(room) - 1;
    rest.chunks(room)
        .enumerate()
        .map(|(index, part)| {
            // At most the 65535 octets of a payload.
            let offset = u16::try_from(index * room).map_err(|_| DropReason::PacketTooBig)?;
            let mut fragment = head.clone();
            fragment.extend_from_slice(&[place.kind, 0]);
            fragment.extend_from_slice(&(offset | u16::from(index != last)).to_be_bytes());
            fragment.extend_from_slice(&identification.to_be_bytes());
            fragment.extend_from_slice(part);
            set_payload_length(&mut fragment)?;
            Ok(Packet::new(fragment))
        })
        .collect()
}

/// Where the Fragment header goes: behind the IPv6 header, the Hop-by-Hop Options and Routing
/// headers, and the header with the Nonce if that comes next.
fn fragment_place(octets: &[u8], headers: &Headers) -> Result<Place, DropReason> {
    let nonce_header = headers.nonce.as_ref().map(|found| &found.header);
    let mut chain = Chain::new(octets)?;
    let mut place = chain.place;
    while let Some(extension) = chain.advance()? {
        let Extension { kind, header, .. } = &extension;
        let of_the_way = matches!(*kind, protocol::HOP_BY_HOP | protocol::ROUTING);
        if of_the_way || header.start == place.at && nonce_header == Some(header) {
            place = chain.place;
        }
    }
    Ok(place)
}
