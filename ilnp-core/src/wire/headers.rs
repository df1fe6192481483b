//! Where everything in a packet is.
//!
//! The walk knows Hop-by-Hop Options (only right behind the IPv6 header), Destination Options,
//! Routing and Fragment headers; everything else, Authentication Header and ESP among it, is an
//! upper layer. Octets past the payload length are not part of the packet.

use core::net::Ipv6Addr;
use core::ops::Range;

use pnet_packet::ipv6::{ExtensionPacket, FragmentPacket, Ipv6Packet, MutableIpv6Packet};

use super::{Nonce, Transport, options, protocol};
use crate::drop_reason::DropReason;
use crate::id::IlVector;

/// Octets of the IPv6 header.
pub const IPV6_HEADER: usize = 40;
/// Octets of a Fragment header.
pub const FRAGMENT_HEADER: usize = 8;
/// Where the IPv6 header names the header that follows it.
pub(super) const NEXT_HEADER: usize = 6;

/// What the headers of a packet say, and where they are. Offsets count from the first octet of the
/// IPv6 header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Who sent it, from where.
    pub source: Ipv6Addr,
    /// For whom it is, and where.
    pub destination: Ipv6Addr,
    /// Hops left.
    pub hop_limit: u8,
    /// The Nonce option.
    pub nonce: Option<NonceField>,
    /// The Fragment header.
    pub fragment: Option<FragmentField>,
    /// The number of the upper layer; for a fragment that is not the first, what its Fragment
    /// header names.
    pub protocol: u8,
    /// Where the upper layer starts; for a fragment that is not the first, where its part of the
    /// payload starts. At most `end`.
    pub upper: usize,
    /// Where the packet ends.
    pub end: usize,
}

/// A Nonce option and the Destination Options header around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonceField {
    /// Its value.
    pub nonce: Nonce,
    /// The Destination Options header.
    pub header: Range<usize>,
    /// The option itself. A Parameter Problem of a node that does not know the option points at
    /// its start.
    pub option: Range<usize>,
    /// Whether the header holds nothing else but padding.
    pub alone: bool,
    /// Where the preceding header names the Destination Options header.
    pub named_at: usize,
}

/// A Fragment header (RFC 8200 §4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FragmentField {
    /// Where its part belongs in the fragmentable part, in octets.
    pub offset: u16,
    /// Whether another part follows.
    pub more: bool,
    /// What tells the fragments of different packets apart.
    pub identification: u32,
    /// The header itself.
    pub header: Range<usize>,
    /// Where the preceding header names it.
    pub named_at: usize,
}

impl FragmentField {
    /// Whether it is the only fragment of its packet (RFC 6946).
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }
}

impl Headers {
    /// Reads the headers of a whole packet.
    ///
    /// # Errors
    /// [`DropReason::Malformed`] when the packet is no IPv6, shorter than it says, or a header is
    /// cut short, misplaced or repeated; [`DropReason::NonceRepeated`] and
    /// [`DropReason::NonceLength`] (RFC 6744 §2).
    pub fn parse(octets: &[u8]) -> Result<Self, DropReason> {
        let end = payload_end(octets)?;
        Self::walk(octets.get(..end).ok_or(DropReason::Malformed)?)
    }

    /// Reads the headers of a packet as an ICMPv6 error quotes it: the end may be missing, but not
    /// in the middle of an extension header.
    ///
    /// # Errors
    /// As [`Headers::parse`].
    pub fn parse_quoted(octets: &[u8]) -> Result<Self, DropReason> {
        let end = payload_end(octets)?;
        Self::walk(octets.get(..end).unwrap_or(octets))
    }

    fn walk(octets: &[u8]) -> Result<Self, DropReason> {
        let ipv6 = Ipv6Packet::new(octets).ok_or(DropReason::Malformed)?;
        let mut chain = Chain::new(octets)?;
        let mut nonce = None;
        let mut fragment = None;
        while let Some(extension) = chain.advance()? {
            match extension.kind {
                protocol::DESTINATION_OPTIONS => {
                    let found = extension.nonce(octets)?;
                    if found.is_some() && nonce.is_some() {
                        return Err(DropReason::NonceRepeated);
                    }
                    nonce = nonce.or(found);
                }
                protocol::FRAGMENT => {
                    let field = extension.fragment(octets)?;
                    let first = field.offset == 0;
                    if fragment.replace(field).is_some() {
                        return Err(DropReason::Malformed);
                    }
                    if !first {
                        break;
                    }
                }
                _ => {}
            }
        }
        Ok(Self {
            source: ipv6.get_source(),
            destination: ipv6.get_destination(),
            hop_limit: ipv6.get_hop_limit(),
            nonce,
            fragment,
            protocol: chain.place.kind,
            upper: chain.place.at,
            end: octets.len(),
        })
    }

    /// The source address as identifier and Locator.
    pub fn source_vector(&self) -> IlVector {
        self.source.into()
    }

    /// The destination address as identifier and Locator.
    pub fn destination_vector(&self) -> IlVector {
        self.destination.into()
    }

    /// Whether the upper layer's own header is in this packet: true unless it is a fragment and
    /// not the first.
    pub fn has_upper_header(&self) -> bool {
        self.fragment.as_ref().is_none_or(|field| field.offset == 0)
    }

    /// The packet that was parsed, without what trails behind its payload.
    pub fn packet<'a>(&self, octets: &'a [u8]) -> &'a [u8] {
        octets.get(..self.end).unwrap_or(octets)
    }

    /// The upper layer's octets in the packet that was parsed.
    pub fn upper_layer<'a>(&self, octets: &'a [u8]) -> &'a [u8] {
        octets.get(self.upper..self.end).unwrap_or_default()
    }

    /// The packet that was parsed, with another upper layer.
    ///
    /// # Errors
    /// [`DropReason::PacketTooBig`] when the payload would have more than 65535 octets.
    pub(super) fn with_upper_layer(
        &self,
        octets: &[u8],
        upper: &[u8],
    ) -> Result<Vec<u8>, DropReason> {
        let head = octets.get(..self.upper).ok_or(DropReason::Malformed)?;
        let mut packet = [head, upper].concat();
        set_payload_length(&mut packet)?;
        Ok(packet)
    }

    /// What the upper layer's first octets say; [`Transport::Other`] for a fragment that is not
    /// the first.
    pub fn transport(&self, octets: &[u8]) -> Transport {
        if self.has_upper_header() {
            Transport::peek(self.protocol, self.upper_layer(octets))
        } else {
            Transport::Other
        }
    }
}

/// Makes the IPv6 header say how long the packet is.
///
/// # Errors
/// [`DropReason::PacketTooBig`] when the payload has more than 65535 octets.
pub(super) fn set_payload_length(packet: &mut [u8]) -> Result<(), DropReason> {
    let payload = packet.len().saturating_sub(IPV6_HEADER);
    let payload = u16::try_from(payload).map_err(|_| DropReason::PacketTooBig)?;
    let mut ipv6 = MutableIpv6Packet::new(packet).ok_or(DropReason::Malformed)?;
    ipv6.set_payload_length(payload);
    Ok(())
}

/// Where the IPv6 header says that the packet ends.
fn payload_end(octets: &[u8]) -> Result<usize, DropReason> {
    let ipv6 = Ipv6Packet::new(octets).ok_or(DropReason::Malformed)?;
    if ipv6.get_version() != 6 {
        return Err(DropReason::Malformed);
    }
    Ok(IPV6_HEADER + usize::from(ipv6.get_payload_length()))
}

/// One extension header of a packet.
pub(super) struct Extension {
    pub(super) kind: u8,
    pub(super) header: Range<usize>,
    /// Where the preceding header names it.
    pub(super) named_at: usize,
}

impl Extension {
    fn nonce(self, octets: &[u8]) -> Result<Option<NonceField>, DropReason> {
        let header = octets.get(self.header.clone()).unwrap_or_default();
        let start = self.header.start;
        let found = options::find_nonce(header)?;
        Ok(found.map(|found| NonceField {
            nonce: found.nonce,
            option: start + found.range.start..start + found.range.end,
            alone: found.alone,
            header: self.header,
            named_at: self.named_at,
        }))
    }

    fn fragment(self, octets: &[u8]) -> Result<FragmentField, DropReason> {
        let header = octets.get(self.header.clone());
        let view = header.and_then(FragmentPacket::new);
        let view = view.ok_or(DropReason::Malformed)?;
        // pnet's own accessor for the offset leaves a reserved bit in.
        let field = view.get_fragment_offset_with_flags();
        Ok(FragmentField {
            offset: field & 0xfff8,
            more: field & 1 != 0,
            identification: view.get_id(),
            header: self.header,
            named_at: self.named_at,
        })
    }
}

/// Where a header starts, or could be put.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) at: usize,
    /// The number of the header that is there.
    pub(super) kind: u8,
    /// Where the preceding header names it.
    pub(super) named_at: usize,
}

/// Goes through the extension headers of a packet.
pub(super) struct Chain<'a> {
    octets: &'a [u8],
    /// The header that is next; the upper layer, when all extension headers are behind.
    pub(super) place: Place,
}

impl<'a> Chain<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Result<Self, DropReason> {
        let place = Place {
            at: IPV6_HEADER,
            kind: *octets.get(NEXT_HEADER).ok_or(DropReason::Malformed)?,
            named_at: NEXT_HEADER,
        };
        Ok(Self { octets, place })
    }

    pub(super) fn advance(&mut self) -> Result<Option<Extension>, DropReason> {
        let Place { at, kind, named_at } = self.place;
        match kind {
            protocol::HOP_BY_HOP if at == IPV6_HEADER => {}
            protocol::HOP_BY_HOP => return Err(DropReason::Malformed),
            protocol::ROUTING | protocol::FRAGMENT | protocol::DESTINATION_OPTIONS => {}
            _ => return Ok(None),
        }
        let rest = self.octets.get(at..).unwrap_or_default();
        let view = ExtensionPacket::new(rest).ok_or(DropReason::Malformed)?;
        let length = match kind {
            protocol::FRAGMENT => FRAGMENT_HEADER,
            _ => 8 + 8 * usize::from(view.get_hdr_ext_len()),
        };
        if length > rest.len() {
            return Err(DropReason::Malformed);
        }
        self.place = Place {
            at: at + length,
            kind: view.get_next_header().0,
            named_at: at,
        };
        Ok(Some(Extension {
            kind,
            header: at..at + length,
            named_at,
        }))
    }
}
