//! Sessions that nobody uses, and correspondents that do not answer (RFC 6741 §5.2, §13.1).
//!
//! The data path sees the packets of established sessions, so their activity is read from it when a
//! deadline passes. Nothing is sent for a session that is idle.
//!
//! * Without packets for [`Timers::aged`](super::Timers) a session is aged. It keeps working, and
//!   its correspondent is told of moves: the two programs may just have nothing to say. It is the
//!   first to go when room is needed.
//! * Without packets for [`Timers::forgotten`](super::Timers) it is forgotten. A correspondent that
//!   was given by the configuration or DNS stays known.
//! * A correspondent that sends nothing while packets go to it is challenged. Then its name is looked
//!   up, and its other Locators are tried in turn; where it has none, it is given up after twice the
//!   time in which a session ages, so that the next packet begins a new session.

use super::{Activity, DatapathUpdate, Due, Node};
use crate::id::Handle;
use crate::ilcc::tentative::Role;
use crate::ilcc::{Entry, Id, State};
use crate::time::Instant;

/// How often a correspondent is asked that is said to speak no ILNP.
const DOUBTS: u32 = 3;

impl Node {
    /// A packet with the right Nonce came in through the node.
    pub(super) fn seen(&mut self, now: Instant, id: Id) {
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        entry.heard(now);
        if matches!(entry.state, State::Aged { .. }) {
            self.set_state(id, State::Established);
            self.watch(now, id);
        }
    }

    /// Looks at a proved session again: soon when it is doubted, or in use and there is another
    /// Locator to try.
    pub(super) fn watch(&mut self, now: Instant, id: Id) {
        let timers = &self.config.timers;
        let Some(entry) = self.table.get(id) else {
            return;
        };
        let used = now - entry.last_active() < timers.aged;
        let named = !self.names(entry.handle).is_empty();
        let wait = if is_doubted(entry) {
            timers.challenge
        } else if used && entry.remote.has_alternatives() {
            timers.stalled
        } else if named {
            timers.lost
        } else {
            timers.aged
        };
        self.set_due(id, Due::Session, Some(now + wait));
    }

    /// Somebody on the path says that the correspondent speaks no ILNP: it is asked.
    pub(super) fn doubt(&mut self, now: Instant, id: Id) {
        let entry = self.table.get(id);
        let Some(destination) = entry.and_then(|entry| entry.remote.destination()) else {
            return;
        };
        self.challenge(now, id, destination);
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let Some(asked) = entry.challenge.as_mut() else {
            return;
        };
        if !core::mem::replace(&mut asked.refused, true) {
            self.watch(now, id);
        }
    }

    /// The deadline of a session passed.
    pub(super) fn handle_session_due(&mut self, now: Instant, id: Id) {
        let Some(entry) = self.table.get(id) else {
            return;
        };
        match entry.state {
            State::Tentative(_) => self.handle_tentative_due(now, id),
            State::Established | State::Aged { .. } => {
                // Should no answer come, it is asked again.
                let handle = entry.handle;
                self.watch(now, id);
                let read = DatapathUpdate::ReadActivity(handle);
                self.outputs.datapath.push_back(read);
            }
            State::Known { .. } | State::Classic { .. } => self.remove(id),
        }
    }

    /// What the data path saw of a correspondent.
    pub fn handle_activity(&mut self, now: Instant, handle: Handle, activity: Option<Activity>) {
        let Some(id) = self.table.find(handle) else {
            return;
        };
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        if let Some(Activity { sent, heard }) = activity {
            // A clock that is ahead would keep a session forever.
            entry.activity.sent = entry.activity.sent.max(sent.min(now));
            entry.activity.heard = entry.activity.heard.max(heard.min(now));
        }
        let heard = entry.activity.heard;
        entry.challenge.take_if(|asked| asked.sent <= heard);
        if !entry.state.is_proved() {
            return;
        }
        self.ask_elsewhere(now, id);
        let Some(entry) = self.table.get(id) else {
            return;
        };
        let idle = now - entry.last_active();
        let aged = matches!(entry.state, State::Aged { .. });
        if idle >= self.config.timers.forgotten {
            self.forget_session(now, id);
            return;
        }
        if idle >= self.config.timers.aged {
            if !aged {
                self.set_state(id, State::Aged { since: now });
            }
        } else if aged {
            self.set_state(id, State::Established);
        }
        if !self.is_silent(now, id) {
            self.watch(now, id);
        }
    }

    /// Acts on a correspondent that does not answer while packets go to it.
    fn is_silent(&mut self, now: Instant, id: Id) -> bool {
        let timers = &self.config.timers;
        let (stalled, lost, aged) = (timers.stalled, timers.lost, timers.aged);
        let Some(entry) = self.table.get_mut(id) else {
            return false;
        };
        let named = self.names.contains_key(&entry.handle);
        let Some(destination) = entry.remote.destination() else {
            return false;
        };
        if is_doubted(entry) {
            if entry
                .challenge
                .as_ref()
                .is_some_and(|asked| asked.tries >= DOUBTS)
            {
                self.forget_session(now, id);
                return true;
            }
            self.challenge(now, id, destination);
            return false;
        }
        let next = entry.remote.next_destination();
        let limit = match next {
            Some(_) => stalled,
            None if named => lost,
            None => aged,
        };
        let Activity { sent, heard } = entry.activity;
        if now - heard < limit || now - sent >= limit {
            return false;
        }
        let asked = entry.challenge.is_some();
        if asked {
            self.look_up(now, id);
        }
        let Some(entry) = self.table.get_mut(id) else {
            return false;
        };
        if !asked {
            self.challenge(now, id, destination);
        } else if let Some(next) = next {
            let before = entry.remote.destination();
            entry.challenge = None;
            entry.remote.set_destination(next);
            self.destination_changed(now, id, before);
            self.challenge(now, id, next);
        } else if now - heard >= 2 * aged {
            self.forget_session(now, id);
            return true;
        } else {
            self.challenge(now, id, destination);
        }
        let soon = now + 2 * self.config.timers.challenge;
        let hopeful = next.is_some() || named;
        let due = if hopeful { soon } else { now + aged };
        self.set_due(id, Due::Session, Some(due));
        true
    }

    /// A session that this host began is not proved yet.
    fn handle_tentative_due(&mut self, now: Instant, id: Id) {
        let (silence, longest) = (self.config.timers.silence, self.config.timers.tentative);
        let attached = self.local.preferred().is_some();
        let Some(entry) = self.table.get(id) else {
            return;
        };
        let Some(tentative) = entry.tentative().filter(|it| it.role == Role::Initiator) else {
            return;
        };
        let since = tentative.since;
        let waited = now - since;
        // It said something with a Nonce, or this host could not have been answered: wait longer.
        let hopeful = entry.activity.heard > since || !attached;
        if waited < silence || hopeful && waited < longest {
            if let Some(destination) = entry.remote.destination() {
                self.challenge(now, id, destination);
            }
            self.look_up(now, id);
            let due = if waited < silence {
                since + silence
            } else {
                now + silence
            };
            self.set_due(id, Due::Session, Some(due));
        } else if tentative.unreachable || !attached {
            self.forget_session(now, id);
        } else {
            self.fall_back(now, id, "silence");
        }
    }
}

/// Whether the correspondent's place refused our Nonce, and it has said nothing since.
fn is_doubted(entry: &Entry) -> bool {
    entry.challenge.as_ref().is_some_and(|asked| asked.refused)
}
