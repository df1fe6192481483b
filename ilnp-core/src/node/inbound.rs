//! Packets from the wire: which of them is whose (RFC 6741 §5.4, RFC 6744 §4).

use super::Node;
use crate::drop_reason::DropReason;
use crate::id::{IlVector, Locator};
use crate::ilcc::tentative::{Answer, Role};
use crate::ilcc::{Entry, Id, NonceVerified};
use crate::time::Instant;
use crate::wire::translate::{Inward, inward};
use crate::wire::transport::tcp_flags::{ACK, RST, SYN};
use crate::wire::{
    FragmentField, Headers, Nonce, NonceField, Packet, Transport, checksum, icmpv6, protocol,
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

    /// A packet with a Nonce that no proved session has: see [`session_start`](super::session_start).
    fn unknown_nonce(
        &mut self,
        now: Instant,
        nonce: Nonce,
        packet: &Packet,
        headers: &Headers,
    ) -> Result<(), DropReason> {
        let source = headers.source_vector();
        let transport = headers.transport(&packet.octets);
        if let Transport::Icmp { kind, .. } = transport {
            return self.unproved_icmp(now, kind, packet, headers);
        }
        if let Some(id) = self.challenged(packet, headers) {
            if !checksum::is_valid_icmpv6_packet(packet, headers) {
                return Err(DropReason::IcmpChecksum);
            }
            let asked = self.challenged_at(id);
            self.prove(now, id, nonce, source.locator, asked);
            return Ok(());
        }
        if let Some((id, answer)) = self.answered(headers, &transport) {
            self.prove(now, id, nonce, source.locator, answer.sent);
            if let Transport::Echo {
                identifier,
                sequence,
                ..
            } = transport
                && self.is_ping_reply(now, id, (identifier, sequence), headers)
            {
                return Ok(());
            }
            return self.deliver(id, packet, headers);
        }
        let at_source = self.table.find_where(source.nid, |entry| {
            let met = entry.tentative().is_some() || entry.state.is_proved();
            met && entry.remote.expects(source.locator)
        });
        if at_source.is_none() {
            self.check_stranger(headers, &transport)?;
        }
        match self.respond(now, source, nonce)? {
            Some(id) => self.pass_unproved(now, id, source.locator, packet, headers),
            None => self.perhaps_restarted(now, source.locator, packet, headers),
        }
    }

    /// Whether a packet from where nobody is expected may begin a session.
    ///
    /// The middle of a TCP connection may: after a restart its kernel answers with a reset, and the
    /// other end need not wait for ever. But not when the identifier belongs to somebody who is
    /// elsewhere (RFC 6744 §4).
    fn check_stranger(&self, headers: &Headers, transport: &Transport) -> Result<(), DropReason> {
        let IlVector { nid, locator } = headers.source_vector();
        let known = self.table.with_nid(nid).next().is_some();
        let here = |entry: &Entry| entry.remote.standing(locator).is_some();
        let elsewhere = known && self.table.find_where(nid, here).is_none();
        let middle = matches!(*transport, Transport::Tcp { flags, .. }
            if flags & (SYN | ACK) != SYN);
        let begins = starts_session(headers, transport) && !(middle && elsewhere);
        match (begins, known) {
            (true, _) => Ok(()),
            (false, true) => Err(DropReason::NonceWrong),
            (false, false) => Err(DropReason::NonceUnknown),
        }
    }

    /// A packet of a tentative session.
    fn pass_unproved(
        &mut self,
        now: Instant,
        id: Id,
        source: Locator,
        packet: &Packet,
        headers: &Headers,
    ) -> Result<(), DropReason> {
        let patience = self.config.timers.challenge;
        let mut answer_is_due = false;
        if let Some(entry) = self.table.get_mut(id) {
            entry.heard(now);
            if let Some(tentative) = entry.tentative_mut() {
                answer_is_due = tentative.awaits_answer() && now - tentative.since < patience;
                self.unproved.touch(now, id, tentative);
            }
        }
        let transport = headers.transport(&packet.octets);
        let opens = matches!(transport, Transport::Tcp { flags, .. } if flags & (SYN | ACK) == SYN);
        if !opens && !answer_is_due {
            self.challenge(now, id, source);
        }
        let began = self.table.get(id).and_then(Entry::tentative);
        let opened = began.is_some_and(|tentative| tentative.role == Role::Initiator);
        if let Transport::Tcp { flags, .. } = transport
            && flags & (ACK | RST) != 0
            && opened
        {
            // It claims to be an answer, and is none.
            return Err(DropReason::NonceWrong);
        }
        match headers.protocol {
            protocol::NO_NEXT_HEADER => Ok(()),
            _ => self.deliver(id, packet, headers),
        }
    }

    /// A packet with a wrong Nonce from where a proved correspondent is.
    fn perhaps_restarted(
        &mut self,
        now: Instant,
        source: Locator,
        packet: &Packet,
        headers: &Headers,
    ) -> Result<(), DropReason> {
        let nid = headers.source_vector().nid;
        let id = self
            .table
            .find_where(nid, |entry| entry.remote.expects(source))
            .ok_or(DropReason::NonceWrong)?;
        self.challenge(now, id, source);
        match headers.transport(&packet.octets) {
            Transport::Tcp { flags, .. } if flags & (SYN | ACK) != SYN => {
                Err(DropReason::NonceWrong)
            }
            transport if starts_session(headers, &transport) => self.deliver(id, packet, headers),
            _ => Err(DropReason::NonceWrong),
        }
    }

    /// The tentative session with the packet's identifier that it answers.
    fn answered(&self, headers: &Headers, transport: &Transport) -> Option<(Id, Answer)> {
        let mut with_nid = self.table.with_nid(headers.source_vector().nid);
        with_nid.find_map(|(id, entry)| Some((id, entry.tentative()?.answer(transport)?)))
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

/// Whether a packet may be the first of a session.
fn starts_session(headers: &Headers, transport: &Transport) -> bool {
    match *transport {
        Transport::Tcp { flags, .. } => flags & RST == 0,
        Transport::Udp { .. } => true,
        Transport::Echo { request, .. } => request,
        Transport::Icmp { .. } => false,
        Transport::Other => {
            let known = [protocol::NO_NEXT_HEADER, protocol::ICMPV6];
            headers.has_upper_header() && !known.contains(&headers.protocol)
        }
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
