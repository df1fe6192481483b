//! ICMPv6 errors (RFC 6741 §11.1, RFC 6744 §7).
//!
//! An error that claims to come from a current correspondent must carry its Nonce. Routers cannot
//! know it; their errors are believed when they quote the Nonce that this host sends to the
//! correspondent, which only somebody on the path has seen. Errors that quote too little to contain
//! it are not believed; RFC 4443 §2.4(c) makes every node quote more.
//!
//! A Parameter Problem never downgrades an established session. But when it quotes our own Nonce,
//! the correspondent may really have given up ILNP: it is challenged, and forgotten when it does not
//! answer.

use super::{ClassicFlow, Node};
use crate::drop_reason::DropReason;
use crate::id::HandlePrefix;
use crate::ilcc::Id;
use crate::time::Instant;
use crate::wire::icmp_error::{ErrorInward, ErrorOutward, error_inward, error_outward};
use crate::wire::{Headers, IcmpError, Packet, checksum, icmpv6};

impl Node {
    /// Whether an ICMPv6 error is about a packet with a Nonce.
    pub(super) fn quotes_ilnp(&self, packet: &Packet, headers: &Headers) -> bool {
        let message = headers.upper_layer(&packet.octets);
        IcmpError::parse(message).is_ok_and(|error| error.quoted.nonce.is_some())
    }

    /// An ICMPv6 message other than an echo, with a Nonce that no proved session has.
    pub(super) fn unproved_icmp(
        &mut self,
        now: Instant,
        kind: u8,
        packet: &Packet,
        headers: &Headers,
    ) -> Result<(), DropReason> {
        let known = self.table.with_nid(headers.source_vector().nid).next();
        match (kind, known) {
            (icmpv6::LOCATOR_UPDATE, Some(_)) => Err(DropReason::UpdateWrongNonce),
            (icmpv6::LOCATOR_UPDATE, None) => Err(DropReason::UpdateNotCorrespondent),
            _ if icmpv6::is_error(kind) => self.receive_error(now, None, packet, headers),
            (_, Some(_)) => Err(DropReason::NonceWrong),
            (_, None) => Err(DropReason::NonceUnknown),
        }
    }

    /// An ICMPv6 error; `sender` is the correspondent whose Nonce it carries.
    pub(super) fn receive_error(
        &mut self,
        now: Instant,
        sender: Option<Id>,
        packet: &Packet,
        headers: &Headers,
    ) -> Result<(), DropReason> {
        if !checksum::is_valid_icmpv6_packet(packet, headers) {
            return Err(DropReason::IcmpChecksum);
        }
        let error = IcmpError::parse(headers.upper_layer(&packet.octets))?;
        let source = headers.source_vector();
        let proved = self
            .table
            .find_where(source.nid, |entry| entry.state.is_proved());
        let about = self.quoted_correspondent(&error);
        if sender.is_none() && proved.is_some() {
            if let Some(about) = about.filter(|_| error.refused_nonce().is_some()) {
                self.doubt(now, about);
            }
            return Err(DropReason::IcmpForged);
        }
        let about = about.ok_or(DropReason::IcmpUnmatched)?;
        let entry = self.table.get_mut(about).ok_or(DropReason::IcmpUnmatched)?;
        let from_correspondent = entry.handle.nid == source.nid;
        if sender.is_some_and(|sender| sender != about) {
            return Err(DropReason::IcmpForged);
        }
        let handle = entry.handle;
        if let Some(tentative) = entry.tentative_mut() {
            if error.refused_nonce().is_some() {
                self.fall_back(now, about, "parameter-problem");
                return Ok(());
            }
            tentative.unreachable |= error.kind == icmpv6::DESTINATION_UNREACHABLE;
        }
        let translated =
            self.error_to_handles(packet, headers, handle.alias, from_correspondent)?;
        self.outputs.deliver.push_back(translated);
        Ok(())
    }

    /// The correspondent that the quoted packet was sent to, with its Nonce.
    fn quoted_correspondent(&self, error: &IcmpError<'_>) -> Option<Id> {
        if error.quoted.source_vector().nid != self.config.nid {
            return None;
        }
        let nonce = &error.quoted.nonce.as_ref()?.nonce;
        let nid = error.quoted.destination_vector().nid;
        self.table
            .find_where(nid, |entry| entry.nonces.verify_quoted(nonce).is_some())
    }

    fn error_to_handles(
        &self,
        packet: &Packet,
        headers: &Headers,
        alias: u8,
        from_correspondent: bool,
    ) -> Result<Packet, DropReason> {
        let prefix: HandlePrefix = self.config.handle_prefix;
        let inward = ErrorInward {
            own: prefix.locator(),
            correspondent: prefix.alias(alias),
            from_correspondent,
        };
        error_inward(packet, headers, &inward)
    }

    /// An ICMPv6 error about a packet of a flow that fell back, over handles.
    pub(super) fn classic_error(&self, packet: &Packet, headers: &Headers) -> Option<Packet> {
        let error = IcmpError::parse(headers.upper_layer(&packet.octets)).ok()?;
        let transport = error.quoted.transport(error.quote);
        let flow = ClassicFlow::sent(&error.quoted, &transport);
        let handle = self.classic.handle(&flow)?;
        let from_correspondent = headers.source == flow.remote;
        self.error_to_handles(packet, headers, handle.alias, from_correspondent)
            .ok()
    }

    /// An ICMPv6 error of this host's kernel about a packet of a correspondent.
    pub(super) fn send_error(
        &mut self,
        now: Instant,
        id: Id,
        packet: &Packet,
    ) -> Result<(), DropReason> {
        let own = self.local.preferred().ok_or(DropReason::NoLocator)?;
        let entry = self.table.get_mut(id).ok_or(DropReason::NoCorrespondent)?;
        let destination = entry.remote.destination();
        let destination = destination.ok_or(DropReason::NoCorrespondent)?;
        entry.activity.sent = entry.activity.sent.max(now);
        // The correspondent believes what quotes its packet as it sent it, the very first one too.
        let claimed = entry.tentative().and_then(|tentative| tentative.claimed);
        let outward = ErrorOutward {
            source: own,
            destination,
            nonce: entry.nonces.out(),
            quoted_source: destination,
            quoted_destination: own,
            quoted_nonce: entry.nonces.inward().or(claimed),
        };
        let translated = error_outward(packet, &outward)?;
        self.outputs.transmit.push_back(translated);
        Ok(())
    }
}
