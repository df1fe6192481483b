//! Echo Requests that users ask for.

use core::time::Duration;
use std::collections::BTreeMap;

use super::{Event, Node};
use crate::drop_reason::DropReason;
use crate::id::Handle;
use crate::ilcc::tentative::{Outstanding, Role};
use crate::ilcc::{Id, State};
use crate::time::Instant;
use crate::wire::Headers;

/// What the Echo Requests carry behind their header: as much as `ping` sends.
const DATA: [u8; 56] = [0; 56];

/// Pings under way, by identifier and sequence number.
#[derive(Debug)]
pub(super) struct Pings {
    limit: usize,
    waiting: BTreeMap<(u16, u16), (Handle, Instant)>,
}

impl Pings {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            waiting: BTreeMap::new(),
        }
    }

    /// Whether the answer to a ping of this correspondent may come.
    pub(super) fn is_waiting(&self, handle: Handle) -> bool {
        self.waiting.values().any(|(waiting, _)| *waiting == handle)
    }

    pub(super) fn poll_timeout(&self, patience: Duration) -> Option<Instant> {
        let sent = self.waiting.values().map(|&(_, sent)| sent).min()?;
        Some(sent + patience)
    }

    fn pop_unanswered(&mut self, now: Instant, patience: Duration) -> Option<Handle> {
        let mut waiting = self.waiting.iter();
        let (&key, _) = waiting.find(|(_, (_, sent))| *sent + patience <= now)?;
        self.waiting.remove(&key).map(|(handle, _)| handle)
    }
}

impl Node {
    /// A user asks for an echo from a correspondent.
    ///
    /// The data path answers the programs of established sessions by itself. While a ping is under
    /// way it leaves their packets to the node, which alone can tell which Locators were used.
    pub fn handle_ping(&mut self, now: Instant, handle: Handle, identifier: u16, sequence: u16) {
        let Some(id) = self.table.find(handle) else {
            self.outputs.drop(DropReason::NoCorrespondent);
            return;
        };
        if self.pings.waiting.len() >= self.pings.limit {
            self.outputs.drop(DropReason::QueueFull);
            return;
        }
        if let Some(State::Known { .. }) = self.table.get(id).map(|entry| &entry.state) {
            self.begin(now, id, Role::Initiator);
        }
        let numbers = (identifier, sequence);
        self.pings.waiting.insert(numbers, (handle, now));
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        if let Some(tentative) = entry.tentative_mut() {
            let echo = Outstanding::Echo {
                identifier,
                sequence,
            };
            tentative.sent(now, echo);
        }
        let Some(destination) = entry.remote.destination() else {
            return;
        };
        if entry.state.is_proved() {
            self.push_path(now, id);
        }
        self.send_echo_request(id, destination, numbers, &DATA);
    }

    /// Whether an Echo Reply answers a ping; then the user is told.
    pub(super) fn is_ping_reply(
        &mut self,
        now: Instant,
        id: Id,
        numbers: (u16, u16),
        headers: &Headers,
    ) -> bool {
        let Some(handle) = self.table.get(id).map(|entry| entry.handle) else {
            return false;
        };
        let asked = self.pings.waiting.get(&numbers);
        if asked.is_none_or(|(asked, _)| *asked != handle) {
            return false;
        }
        self.pings.waiting.remove(&numbers);
        self.push_path(now, id);
        let (identifier, sequence) = numbers;
        self.outputs.event(Event::PingReply {
            handle,
            identifier,
            sequence,
            remote: headers.source_vector().locator,
            local: headers.destination_vector().locator,
        });
        true
    }

    /// Gives up pings that were not answered in time.
    pub(super) fn handle_ping_timeout(&mut self, now: Instant) {
        let patience = self.config.timers.ping;
        while let Some(handle) = self.pings.pop_unanswered(now, patience) {
            if let Some(id) = self.table.find(handle) {
                self.push_path_if_proved(now, id);
            }
        }
    }

    fn push_path_if_proved(&mut self, now: Instant, id: Id) {
        let proved = self
            .table
            .get(id)
            .is_some_and(|entry| entry.state.is_proved());
        if proved {
            self.push_path(now, id);
        }
    }
}
