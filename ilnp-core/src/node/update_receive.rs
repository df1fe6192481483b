//! Locator Updates of correspondents (RFC 6743 §2, §4-6).

use super::{Event, Node};
use crate::drop_reason::DropReason;
use crate::id::IlVector;
use crate::ilcc::{Id, NonceVerified};
use crate::time::Instant;
use crate::wire::{Headers, LocatorUpdate, Operation, Packet, Record};

impl Node {
    /// A Locator Update with the right Nonce and checksum.
    pub(super) fn receive_update(
        &mut self,
        now: Instant,
        id: Id,
        proof: &NonceVerified,
        packet: &Packet,
        headers: &Headers,
    ) -> Result<(), DropReason> {
        let update = LocatorUpdate::parse(headers.upper_layer(&packet.octets))?;
        match update.operation() {
            Operation::Acknowledgement => {
                let source = headers.source_vector().locator;
                self.note_source(now, id, source, proof);
                self.acknowledged(now, id, update.records())
            }
            Operation::Advertisement => self.advertised(now, id, proof, &update, headers),
        }
    }

    fn advertised(
        &mut self,
        now: Instant,
        id: Id,
        proof: &NonceVerified,
        update: &LocatorUpdate,
        headers: &Headers,
    ) -> Result<(), DropReason> {
        let rate = self.config.limits.updates_received;
        let entry = self.table.get_mut(id).ok_or(DropReason::UpdateRate)?;
        if !entry.received.take(now, rate) {
            return Err(DropReason::UpdateRate);
        }
        let usable: Vec<Record> = update
            .records()
            .iter()
            .filter(|record| self.may_send_to(record.locator))
            .copied()
            .collect();
        if usable.is_empty() {
            return Err(DropReason::UpdateNoUsableLocator);
        }
        let entry = self.table.get_mut(id).ok_or(DropReason::UpdateRate)?;
        let before = entry.remote.destination();
        let spread = entry.spread();
        entry.remote.replace(now, &usable, spread, proof);
        let handle = entry.handle;
        self.outputs.event(Event::UpdateReceived {
            handle,
            locators: usable.iter().map(|record| record.locator).collect(),
        });
        self.acknowledge(id, update, headers);
        self.destination_changed(now, id, before);
        self.watch(now, id);
        Ok(())
    }

    /// Answers from the address that was asked, to the Locator that the update came from. Where
    /// that is not listed, a border router may have rewritten it: then to the best one.
    fn acknowledge(&mut self, id: Id, update: &LocatorUpdate, headers: &Headers) {
        let asked = headers.destination_vector().locator;
        let own = match self.local.contains(asked) {
            true => Some(asked),
            false => self.local.preferred(),
        };
        let (Some(entry), Some(own)) = (self.table.get(id), own) else {
            return;
        };
        let from = headers.source_vector().locator;
        let to = match entry.remote.expects(from) {
            true => Some(from),
            false => entry.remote.destination(),
        };
        let Some(to) = to else {
            return;
        };
        let nonce = entry.nonces.out();
        let destination = IlVector::new(entry.handle.nid, to);
        self.transmit_update(
            IlVector::new(self.config.nid, own),
            destination,
            &nonce,
            &update.acknowledgement(),
        );
    }
}
