//! Packets of local programs.

use super::Node;
use crate::drop_reason::DropReason;
use crate::id::Handle;
use crate::ilcc::tentative::{Outstanding, Role};
use crate::ilcc::{Id, State};
use crate::time::Instant;
use crate::wire::translate::{Outward, outward};
use crate::wire::{Headers, Packet, Transport, build, icmpv6, protocol};

impl Node {
    /// A packet that a local program sent to a handle.
    pub fn handle_outbound(&mut self, now: Instant, packet: Packet) {
        if let Err(reason) = self.outbound(now, &packet) {
            self.outputs.drop(reason);
            if matches!(reason, DropReason::NoCorrespondent | DropReason::Fenced) {
                self.refuse(&packet);
            }
        }
    }

    /// Tells a program that what it sent will not arrive, so that it need not wait. Errors are not
    /// answered with errors.
    fn refuse(&mut self, packet: &Packet) {
        const ADDRESS_UNREACHABLE: u8 = 3;
        let headers = Headers::parse(&packet.octets);
        let headers = headers.ok().filter(Headers::has_upper_header);
        let transport = headers.map(|headers| headers.transport(&packet.octets));
        if matches!(transport, None | Some(Transport::Icmp { .. })) {
            return;
        }
        if let Ok(error) = build::unreachable(packet, ADDRESS_UNREACHABLE) {
            self.outputs.deliver.push_back(error);
        }
    }

    fn outbound(&mut self, now: Instant, packet: &Packet) -> Result<(), DropReason> {
        let headers = Headers::parse(&packet.octets)?;
        let prefix = self.config.handle_prefix;
        let own = Handle::new(self.config.nid);
        let handle = prefix
            .handle(headers.destination)
            .filter(|handle| handle.nid != own.nid)
            .ok_or(DropReason::NotToHandle)?;
        if prefix.handle(headers.source) != Some(own) {
            return Err(DropReason::NotToHandle);
        }
        let transport = headers.transport(&packet.octets);
        if let Transport::Icmp { kind, .. } = transport
            && !icmpv6::is_error(kind)
        {
            // Neighbour Discovery and the like stay on their link, and Locator Updates are ours.
            return Err(DropReason::NotToHandle);
        }
        if self.is_fenced() {
            return Err(DropReason::Fenced);
        }
        if self.send_on_classic_flow(now, handle, packet, (headers.protocol, &transport)) {
            return Ok(());
        }
        let id = self.table.find(handle).ok_or(DropReason::NoCorrespondent)?;
        self.begin_if_idle(now, id);
        if let Some(State::Classic { .. }) = self.table.get(id).map(|entry| &entry.state) {
            return self.begin_classic_flow(now, id, packet);
        }
        if let Transport::Icmp { .. } = transport {
            return self.send_error(now, id, packet);
        }
        self.remember_outstanding(now, id, packet, &headers, &transport);
        self.send(id, packet)
    }

    /// Begins a session with a correspondent that is only known, or whose refusal to speak ILNP is
    /// long ago.
    fn begin_if_idle(&mut self, now: Instant, id: Id) {
        let begin = match self.table.get(id).map(|entry| &entry.state) {
            Some(State::Known { .. }) => true,
            Some(State::Classic { until }) => *until <= now,
            Some(State::Tentative(_) | State::Established | State::Aged { .. }) | None => false,
        };
        if begin {
            self.begin(now, id, Role::Initiator);
        }
    }

    /// Notes what the packet leaves to be answered, while the session is not proved.
    fn remember_outstanding(
        &mut self,
        now: Instant,
        id: Id,
        packet: &Packet,
        headers: &Headers,
        transport: &Transport,
    ) {
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        entry.activity.sent = entry.activity.sent.max(now);
        let Some(tentative) = entry.tentative_mut() else {
            return;
        };
        let opened = tentative.role == Role::Initiator;
        let payload = tcp_payload(packet, headers);
        let outstanding = Outstanding::of(transport, payload, opened);
        if opened {
            tentative.keep_first(packet, outstanding);
        }
        if let Some(outstanding) = outstanding {
            tentative.sent(now, outstanding);
        }
    }

    /// Translates a packet and sends it from the preferred Locator to the best one that is known.
    pub(super) fn send(&mut self, id: Id, packet: &Packet) -> Result<(), DropReason> {
        let entry = self.table.get(id).ok_or(DropReason::NoCorrespondent)?;
        let source = self.local.preferred().ok_or(DropReason::NoLocator)?;
        let destination = entry
            .remote
            .destination()
            .ok_or(DropReason::NoCorrespondent)?;
        let translated = outward(
            packet,
            &Outward {
                source,
                destination,
                nonce: entry.nonces.out(),
            },
        )?;
        self.outputs.transmit.push_back(translated);
        Ok(())
    }
}

/// How many octets follow the TCP header; for other protocols a number that is not used.
fn tcp_payload(packet: &Packet, headers: &Headers) -> u32 {
    if headers.protocol != protocol::TCP {
        return 0;
    }
    const DATA_OFFSET: usize = 12;
    let segment = headers.upper_layer(&packet.octets);
    let words = segment.get(DATA_OFFSET).map_or(0, |octet| octet >> 4);
    let payload = segment.len().saturating_sub(4 * usize::from(words));
    u32::try_from(payload).unwrap_or(0)
}
