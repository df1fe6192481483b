//! Correspondents that do not speak ILNP (RFC 6740 §8, RFC 6744 §6).
//!
//! A session falls back while it is tentative, and only then: on a Parameter Problem that quotes our
//! own Nonce and points at the option, or on silence. That a destination is unreachable says
//! nothing about ILNP. The program keeps the handle; its flows are translated to real addresses,
//! with their checksums corrected and without a Nonce.

use super::{ClassicFlow, DatapathUpdate, Event, Node};
use crate::drop_reason::DropReason;
use crate::id::{Handle, IlVector};
use crate::ilcc::{Id, State};
use crate::time::Instant;
use crate::wire::translate::{Prefixes, classic};
use crate::wire::{Headers, Packet, Transport, icmpv6};

impl Node {
    /// Takes a tentative correspondent for one that does not speak ILNP, and sends what programs
    /// have sent so far once more, as classic IPv6.
    pub(super) fn fall_back(&mut self, now: Instant, id: Id, why: &'static str) {
        let until = now + self.config.timers.classic;
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let handle = entry.handle;
        entry.challenge = None;
        let Some(tentative) = entry.tentative_mut() else {
            return;
        };
        let first = tentative.take_first();
        self.set_state(id, State::Classic { until });
        self.keep_unused(until, id);
        self.outputs.event(Event::FellBack { handle, why });
        for packet in first {
            if let Err(reason) = self.begin_classic_flow(now, id, &packet) {
                self.outputs.drop(reason);
            }
        }
    }

    /// Sends a program's packet as the first of a classic flow.
    pub(super) fn begin_classic_flow(
        &mut self,
        now: Instant,
        id: Id,
        packet: &Packet,
    ) -> Result<(), DropReason> {
        let entry = self.table.get(id).ok_or(DropReason::NoCorrespondent)?;
        let handle = entry.handle;
        let source = self.local.preferred().ok_or(DropReason::NoLocator)?;
        let destination = entry.remote.destination();
        let destination = destination.ok_or(DropReason::NoCorrespondent)?;
        let translated = classic(
            packet,
            &Prefixes {
                source,
                destination,
            },
        )?;
        let headers = Headers::parse(&translated.octets)?;
        let transport = headers.transport(&translated.octets);
        let flow = ClassicFlow::sent(&headers, &transport);
        if self.classic.handle(&flow).is_none() {
            let oldest = self.classic.insert(now, flow, handle);
            let oldest = oldest.map(|flow| (flow, false));
            for (flow, present) in oldest.into_iter().chain([(flow, true)]) {
                let change = DatapathUpdate::ClassicFlow { flow, present };
                self.outputs.datapath.push_back(change);
            }
        }
        self.outputs.transmit.push_back(translated);
        Ok(())
    }

    /// Sends a program's packet if it belongs to a classic flow. Flows keep the addresses that they
    /// began with: classic IPv6 cannot move.
    pub(super) fn send_on_classic_flow(
        &mut self,
        now: Instant,
        handle: Handle,
        packet: &Packet,
        (protocol, transport): (u8, &Transport),
    ) -> bool {
        let Some(flow) = self.classic.find(handle, protocol, transport) else {
            return false;
        };
        self.classic.touch(now, &flow);
        let prefixes = Prefixes {
            source: IlVector::from(flow.local).locator,
            destination: IlVector::from(flow.remote).locator,
        };
        match classic(packet, &prefixes) {
            Ok(translated) => self.outputs.transmit.push_back(translated),
            Err(reason) => self.outputs.drop(reason),
        }
        true
    }

    /// A packet from the wire over handles, if it belongs to a classic flow.
    pub(super) fn receive_on_classic_flow(
        &mut self,
        now: Instant,
        packet: &Packet,
        transport: &Transport,
        headers: &Headers,
    ) -> Option<Packet> {
        if let Transport::Icmp { kind, .. } = *transport {
            return match icmpv6::is_error(kind) {
                true => self.classic_error(packet, headers),
                false => None,
            };
        }
        let flow = ClassicFlow::received(headers, transport);
        let handle = self.classic.handle(&flow)?;
        self.classic.touch(now, &flow);
        let prefix = self.config.handle_prefix;
        let prefixes = Prefixes {
            source: prefix.alias(handle.alias),
            destination: prefix.locator(),
        };
        classic(packet, &prefixes).ok()
    }
}
