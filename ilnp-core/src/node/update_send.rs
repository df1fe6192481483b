//! Locator Updates to correspondents (RFC 6743 §2, §4).
//!
//! * Each tells the whole set. All correspondents are told the same bodies; bodies are numbered.
//! * The first change after a quiet time is told at once. Changes that follow within
//!   [`Timers::coalesce`](super::Timers) share the next body.
//! * One update is outstanding for each correspondent: a newer body takes the place of the older.
//!   It is sent again until it is acknowledged, each time to the next Locator that the
//!   correspondent may be at.
//! * An acknowledgement names its body, since consecutive bodies differ. One of an older body means
//!   that the correspondent may have applied the two in the wrong order: the present one is sent
//!   again (RFC 6743 has no sequence numbers).
//! * The acknowledgement of an older body may go to a Locator that is gone. So an update that
//!   follows another within [`Timers::late`](super::Timers) is told once more when that time has
//!   passed: it comes last then.
//! * A host without a Locator says nothing: an update cannot be empty.

use std::collections::VecDeque;

use super::{Due, Event, Node};
use crate::drop_reason::DropReason;
use crate::id::IlVector;
use crate::ilcc::{Id, State};
use crate::time::Instant;
use crate::wire::fragment::split;
use crate::wire::{LocatorUpdate, Nonce, Packet, Record, build};

/// How many bodies an acknowledgement may still name.
const REMEMBERED: usize = 16;
/// An aged correspondent is told this often.
const TRIES_WHEN_AGED: u32 = 8;
/// Messages of our own that are longer are sent in fragments: the smallest MTU of IPv6, since the
/// path of a correspondent that moved is not known.
const SAFE_MTU: usize = 1280;
/// After a burst of updates the next one follows this much later.
const BURST_PAUSE: core::time::Duration = core::time::Duration::from_millis(1);

/// What is told, and to whom it is still to be told.
#[derive(Debug, Default)]
pub(super) struct Updates {
    number: u64,
    bodies: VecDeque<(u64, Vec<Record>)>,
    queue: VecDeque<Id>,
    /// When the last body was made.
    last: Option<Instant>,
    /// When the next body is made.
    next_body: Option<Instant>,
    /// When the next burst may be sent.
    next_burst: Option<Instant>,
}

impl Updates {
    /// The number of the body that the next acknowledgements are to name: the latest one, or the one
    /// that is about to be made.
    pub(super) const fn awaited(&self) -> u64 {
        match self.next_body {
            Some(_) => self.number + 1,
            None => self.number,
        }
    }

    /// The number of the latest body.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.next_body, self.next_burst]
            .into_iter()
            .flatten()
            .min()
    }

    fn body(&self) -> Option<&Vec<Record>> {
        self.bodies.back().map(|(_, records)| records)
    }

    /// The number of the body with these records: the latest, if there are several.
    fn number_of(&self, records: &[Record]) -> Option<u64> {
        let mut latest_first = self.bodies.iter().rev();
        latest_first
            .find(|(_, body)| body == records)
            .map(|&(number, _)| number)
    }
}

impl Node {
    /// Tells every correspondent where this host is: now, or shortly when that was just done.
    pub(super) fn announce(&mut self, now: Instant) {
        let quiet_from = self
            .updates
            .last
            .map(|last| last + self.config.timers.coalesce);
        match quiet_from.filter(|from| *from > now) {
            Some(later) => self.updates.next_body = Some(later),
            None => self.make_body(now),
        }
    }

    /// Tells every correspondent now, whatever was just done.
    pub(super) fn make_body(&mut self, now: Instant) {
        self.updates.next_body = None;
        let number = self.updates.number + 1;
        let lifetime = self.config.timers.locator_lifetime;
        let records = self.local.records(now, lifetime, number);
        if records.is_empty() {
            return;
        }
        self.updates.number = number;
        self.updates.last = Some(now);
        self.updates.bodies.push_back((number, records));
        if self.updates.bodies.len() > REMEMBERED {
            self.updates.bodies.pop_front();
        }
        let all = self
            .table
            .iter()
            .filter(|(_, entry)| entry.state.is_proved());
        let all: Vec<_> = all.map(|(id, _)| id).collect();
        for id in all {
            self.enqueue(id);
        }
        self.send_queued_updates(now);
    }

    /// Tells one correspondent where this host is.
    pub(super) fn queue_update(&mut self, now: Instant, id: Id) {
        self.enqueue(id);
        self.send_queued_updates(now);
    }

    fn enqueue(&mut self, id: Id) {
        if let Some(entry) = self.table.get_mut(id)
            && !core::mem::replace(&mut entry.update.queued, true)
        {
            self.updates.queue.push_back(id);
        }
    }

    /// What is due of the bodies and the queue.
    pub(super) fn handle_update_timeout(&mut self, now: Instant) {
        if self.updates.next_body.is_some_and(|at| at <= now) {
            self.make_body(now);
        }
        self.send_queued_updates(now);
    }

    fn send_queued_updates(&mut self, now: Instant) {
        if self.updates.next_burst.is_some_and(|at| at > now) {
            return;
        }
        self.updates.next_burst = None;
        let late = self.config.timers.late;
        for _ in 0..self.config.limits.update_burst {
            let Some(id) = self.updates.queue.pop_front() else {
                return;
            };
            let number = self.updates.number;
            let Some(entry) = self.table.get_mut(id) else {
                continue;
            };
            if core::mem::take(&mut entry.update.queued) && entry.state.is_proved() {
                let before = entry.update;
                entry.update.overtaking |= before.sent != 0 && now - before.last_sent < late;
                entry.update.tries = 0;
                entry.update.postponed = false;
                entry.update.sent = number;
                entry.update.first_sent = now;
                self.send_update(now, id);
            }
        }
        if !self.updates.queue.is_empty() {
            self.updates.next_burst = Some(now + BURST_PAUSE);
        }
    }

    /// Sends the latest body, from the preferred Locator, to the correspondent's next one.
    fn send_update(&mut self, now: Instant, id: Id) {
        let number = self.updates.number;
        let (Some(body), Some(source)) = (self.updates.body(), self.local.preferred()) else {
            return;
        };
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let tried = usize::try_from(entry.update.tries).unwrap_or(0);
        let Some(destination) = entry.remote.candidate(tried) else {
            return;
        };
        let Some(update) = LocatorUpdate::advertisement(body.clone()) else {
            return;
        };
        entry.update.tries = entry.update.tries.saturating_add(1);
        entry.update.postponed = false;
        entry.update.sent = number;
        entry.update.last_sent = now;
        let progress = entry.update;
        let shortest = self.config.timers.update_first;
        let rtt = core::time::Duration::from_micros(entry.rtt_us.unwrap_or(0).into());
        let doubled = 1u32.checked_shl(progress.tries - 1).unwrap_or(u32::MAX);
        let wait = shortest.max(2 * rtt).saturating_mul(doubled);
        let wait = wait.min(self.config.timers.update_longest);
        let (handle, nonce) = (entry.handle, entry.nonces.out());
        let locators = body.iter().map(|record| record.locator).collect();
        self.transmit_update(
            IlVector::new(self.config.nid, source),
            IlVector::new(handle.nid, destination),
            &nonce,
            &update,
        );
        self.set_due(id, Due::Update, Some(now + wait));
        self.outputs.event(Event::UpdateSent {
            handle,
            destination,
            locators,
            attempt: progress.tries,
        });
        if progress.tries > 1 {
            self.look_up(now, id);
        }
    }

    /// Sends an advertisement or acknowledgement, in fragments where it is long.
    pub(super) fn transmit_update(
        &mut self,
        source: IlVector,
        destination: IlVector,
        nonce: &Nonce,
        update: &LocatorUpdate,
    ) {
        use rand::Rng;
        let message = update.emit(source.address(), destination.address());
        let packet: Packet = build::icmpv6(source, destination, nonce, &message);
        match split(&packet, SAFE_MTU, self.random.next_u32()) {
            Ok(parts) => self.outputs.transmit.extend(parts),
            Err(reason) => self.outputs.drop(reason),
        }
    }

    /// The correspondent has not acknowledged in time.
    pub(super) fn handle_update_due(&mut self, now: Instant, id: Id) {
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let once_more = !entry.update.is_awaited() && core::mem::take(&mut entry.update.overtaking);
        if once_more {
            entry.update.first_sent = now;
        }
        let given_up = match entry.state {
            State::Established => false,
            State::Aged { .. } => entry.update.tries >= TRIES_WHEN_AGED,
            State::Known { .. } | State::Tentative(_) | State::Classic { .. } => true,
        };
        if !(entry.update.is_awaited() || once_more) || given_up {
            return;
        }
        if self.local.preferred().is_none() {
            // Nothing can be said now; the next Locator makes a new body.
            return;
        }
        self.send_update(now, id);
    }

    /// The correspondent is somewhere else: what it has not acknowledged is sent there at once, or
    /// shortly when it was just sent.
    pub(super) fn retarget_update(&mut self, now: Instant, id: Id) {
        let entry = self.table.get(id);
        if entry.is_some_and(|entry| entry.update.is_awaited()) {
            self.resend_update(now, id);
        }
    }

    fn resend_update(&mut self, now: Instant, id: Id) {
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        if !entry.update.is_awaited() {
            entry.update.first_sent = now;
        }
        let earliest = entry.update.last_sent + self.config.timers.coalesce;
        // The destination comes first again.
        entry.update.tries = 0;
        if earliest <= now {
            self.send_update(now, id);
        } else {
            entry.update.postponed = true;
            self.set_due(id, Due::Update, Some(earliest));
        }
    }

    /// An acknowledgement with the right Nonce.
    pub(super) fn acknowledged(
        &mut self,
        now: Instant,
        id: Id,
        records: &[Record],
    ) -> Result<(), DropReason> {
        let number = self.updates.number_of(records);
        let entry = self.table.get_mut(id).ok_or(DropReason::UpdateUnasked)?;
        let progress = &mut entry.update;
        let number = number.ok_or(DropReason::UpdateUnasked)?;
        if progress.sent == 0 || number > progress.sent {
            return Err(DropReason::UpdateUnasked);
        }
        if number < progress.sent {
            self.resend_update(now, id);
            return Ok(());
        }
        if !progress.is_awaited() {
            return Err(DropReason::UpdateUnasked);
        }
        let after = now - progress.first_sent;
        if progress.tries == 1 {
            let micros = u32::try_from((now - progress.last_sent).as_micros());
            entry.rtt_us = Some(micros.unwrap_or(u32::MAX));
        }
        let known = core::mem::replace(&mut progress.acknowledged, number);
        progress.tries = 0;
        progress.postponed = false;
        let handle = entry.handle;
        let once_more = progress.overtaking.then(|| now + self.config.timers.late);
        self.set_due(id, Due::Update, once_more);
        self.outputs.event(Event::UpdateAcknowledged {
            handle,
            after_us: u64::try_from(after.as_micros()).unwrap_or(u64::MAX),
        });
        self.count_acknowledgement(known, number);
        Ok(())
    }
}
