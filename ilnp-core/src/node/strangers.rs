//! Packets with a Nonce that no proved session has: whose they may be is told in
//! [`session_start`](super::session_start).

use super::Node;
use crate::drop_reason::DropReason;
use crate::id::{IlVector, Locator};
use crate::ilcc::tentative::{Answer, Role};
use crate::ilcc::{Entry, Id};
use crate::time::Instant;
use crate::wire::transport::tcp_flags::{ACK, RST, SYN};
use crate::wire::{Headers, Nonce, Packet, Transport, checksum, protocol};

impl Node {
    /// A packet with a Nonce that no proved session has.
    pub(super) fn unknown_nonce(
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
