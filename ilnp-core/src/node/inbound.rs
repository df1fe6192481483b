//! Packets from the wire: which of them is whose (RFC 6741 §5.4, RFC 6744 §4).

use super::Node;
use crate::drop_reason::DropReason;
use crate::ilcc::{Id, NonceVerified};
use crate::time::Instant;
use crate::wire::translate::{Inward, inward};
use crate::wire::{
    FragmentField, Headers, NonceField, Packet, Transport, checksum, icmpv6, protocol,
};

impl Node {
    /// A packet from the wire that the data path could not place.
    ///
    /// Classic packets are given back as they came.
    pub fn handle_inbound(&mut self, now: Instant, packet: Packet) {
        match Headers::parse(&packet.octets) {
            Ok(headers) if needs_reassembly(&headers) => {
                self.handle_fragment(now, &packet, &headers);
            }
            Ok(headers) => self.handle_whole(now, packet, &headers),
            Err(reason) => self.outputs.unreadable(now, reason, &packet),
        }
    }

    fn handle_fragment(&mut self, now: Instant, packet: &Packet, headers: &Headers) {
        match self.reassembler.push(now, packet, headers) {
            Ok(Some(whole)) => match Headers::parse(&whole.octets) {
                Ok(headers) => self.handle_whole(now, whole, &headers),
                Err(reason) => self.outputs.drop(reason),
            },
            Ok(None) => {}
            Err(reason) => self.outputs.drop(reason),
        }
    }

    fn handle_whole(&mut self, now: Instant, packet: Packet, headers: &Headers) {
        if let Err(reason) = self.inbound(now, &packet, headers) {
            match reason {
                DropReason::HandleOnWire
                | DropReason::NonceWrong
                | DropReason::UpdateWithoutNonce
                | DropReason::UpdateWrongNonce
                | DropReason::UpdateNotCorrespondent
                | DropReason::IcmpForged => self.outputs.security(now, reason, &packet, headers),
                _ => self.outputs.drop(reason),
            }
        }
    }

    fn inbound(
        &mut self,
        now: Instant,
        packet: &Packet,
        headers: &Headers,
    ) -> Result<(), DropReason> {
        let (source, destination) = (headers.source_vector(), headers.destination_vector());
        let prefix = self.config.handle_prefix;
        if [source, destination]
            .iter()
            .any(|end| prefix.alias_of(end.locator).is_some())
        {
            return Err(DropReason::HandleOnWire);
        }
        if self.is_fenced() && destination.nid == self.config.nid {
            return Err(DropReason::Fenced);
        }
        let Some(NonceField { nonce, .. }) = headers.nonce else {
            return self.classic_inbound(now, packet, headers);
        };
        if headers.destination.is_multicast() {
            return Err(DropReason::NonceToMulticast);
        }
        if destination.nid != self.config.nid || source.nid == self.config.nid {
            return Err(DropReason::NotOurs);
        }
        match self.table.authenticate(source.nid, &nonce) {
            Some((id, proof)) => self.authentic(now, id, proof, packet, headers),
            None => self.unknown_nonce(now, nonce, packet, headers),
        }
    }

    /// A packet with the right Nonce.
    fn authentic(
        &mut self,
        now: Instant,
        id: Id,
        proof: NonceVerified,
        packet: &Packet,
        headers: &Headers,
    ) -> Result<(), DropReason> {
        self.seen(now, id);
        let transport = headers.transport(&packet.octets);
        if let Transport::Icmp { kind, .. } = transport {
            if !checksum::is_valid_icmpv6_packet(packet, headers) {
                return Err(DropReason::IcmpChecksum);
            }
            if kind == icmpv6::LOCATOR_UPDATE {
                return self.receive_update(now, id, &proof, packet, headers);
            }
        }
        let source = headers.source_vector().locator;
        self.note_source(now, id, source, &proof);
        match transport {
            Transport::Icmp { kind, .. } if icmpv6::is_error(kind) => {
                self.receive_error(now, Some(id), packet, headers)
            }
            Transport::Echo {
                request: false,
                identifier,
                sequence,
            } if self.is_ping_reply(now, id, (identifier, sequence), headers) => Ok(()),
            _ if headers.protocol == protocol::NO_NEXT_HEADER => Ok(()),
            _ => {
                if self.challenged(packet, headers) == Some(id) {
                    if let Some(entry) = self.table.get_mut(id) {
                        entry.challenge = None;
                    }
                    return Ok(());
                }
                self.deliver(id, packet, headers)
            }
        }
    }

    /// Translates a packet to handles and hands it to this host's stack.
    pub(super) fn deliver(
        &mut self,
        id: Id,
        packet: &Packet,
        headers: &Headers,
    ) -> Result<(), DropReason> {
        let entry = self.table.get(id).ok_or(DropReason::NonceUnknown)?;
        let prefix = self.config.handle_prefix;
        let handles = Inward {
            source: prefix.alias(entry.handle.alias),
            destination: prefix.locator(),
        };
        let translated = inward(packet, headers, &handles)?;
        self.outputs.deliver.push_back(translated);
        Ok(())
    }

    /// A packet without a Nonce: nothing of ours, unless it concerns a flow that fell back, or is a
    /// control message that should have had one.
    fn classic_inbound(
        &mut self,
        now: Instant,
        packet: &Packet,
        headers: &Headers,
    ) -> Result<(), DropReason> {
        let transport = headers.transport(&packet.octets);
        if let Transport::Icmp { kind, .. } = transport {
            let ours = headers.destination_vector().nid == self.config.nid;
            if kind == icmpv6::LOCATOR_UPDATE && ours {
                return Err(DropReason::UpdateWithoutNonce);
            }
            if icmpv6::is_error(kind) && self.quotes_ilnp(packet, headers) {
                return self.receive_error(now, None, packet, headers);
            }
        }
        let classic = self.receive_on_classic_flow(now, packet, &transport, headers);
        self.outputs.deliver.push_back(match classic {
            Some(translated) => translated,
            None => packet.clone(),
        });
        Ok(())
    }
}

/// Whether a fragment must be put together before anything can be said about it.
///
/// A fragment with the Nonce in front of its Fragment header is authenticated and translated by
/// itself. ICMPv6 is the exception, since a Locator Update is read as a whole, and so are packets
/// whose Nonce is inside the part that was cut.
fn needs_reassembly(headers: &Headers) -> bool {
    let Some(FragmentField { header, .. }) = &headers.fragment else {
        return false;
    };
    match &headers.nonce {
        Some(field) if field.header.start < header.start => headers.protocol == protocol::ICMPV6,
        Some(_) => true,
        None => !headers.has_upper_header() && headers.protocol == protocol::DESTINATION_OPTIONS,
    }
}
