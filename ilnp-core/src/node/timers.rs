//! Deadlines.

use super::{DatapathUpdate, Due, Node};
use crate::time::Instant;

impl Node {
    /// When [`Node::handle_timeout`] wants to be called, if at all.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let unproved = self.unproved.oldest();
        [
            self.deadlines.next(),
            self.updates.poll_timeout(),
            self.plan_ends,
            unproved.map(|(touched, _)| touched + self.config.timers.tentative),
            self.classic.poll_timeout(),
            self.pings.poll_timeout(self.config.timers.ping),
            self.reassembler.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The deadline of [`Node::poll_timeout`] passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Each correspondent has two deadlines at most.
        for _ in 0..=2 * self.table.len() {
            let Some((id, due)) = self.deadlines.pop(now) else {
                break;
            };
            let Some(entry) = self.table.get_mut(id) else {
                continue;
            };
            match due {
                Due::Session => {
                    entry.session_due = None;
                    self.handle_session_due(now, id);
                }
                Due::Update => {
                    entry.update_due = None;
                    self.handle_update_due(now, id);
                }
            }
        }
        self.handle_plan_timeout(now);
        self.handle_update_timeout(now);
        while let Some((touched, id)) = self.unproved.oldest() {
            if touched + self.config.timers.tentative > now {
                break;
            }
            self.forget_session(now, id);
        }
        while let Some(flow) = self.classic.pop_ended(now) {
            let present = false;
            let change = DatapathUpdate::ClassicFlow { flow, present };
            self.outputs.datapath.push_back(change);
        }
        self.handle_ping_timeout(now);
        self.reassembler.handle_timeout(now);
    }
}
