//! Sessions begin, are proved, and begin again after a restart (RFC 6740 §8, RFC 6744 §6).
//!
//! # What proves a Nonce
//!
//! A correspondent's Nonce is bound by a packet that only somebody on the return path can have
//! sent: one that answers what this host sent to the correspondent's Locator. That is
//!
//! * a TCP segment that acknowledges what we sent on the same ports,
//! * a UDP datagram to a 4-tuple that we opened, an Echo Reply to a local program's Echo Request,
//! * the answer to a [challenge](super::challenge).
//!
//! The first such packet wins. Until then the session is tentative: its packets are passed on, but
//! Locator Updates and Parameter Problems of others are not believed.
//!
//! # Whose packet is it?
//!
//! A packet with a Nonce that is not known belongs to
//!
//! 1. the tentative session that it answers;
//! 2. else the tentative session of a stranger who used that very Nonce, and moved;
//! 3. else the tentative or idle correspondent with that identifier that is known to be at the
//!    packet's source. A correspondent that is known elsewhere is not meant: otherwise anybody
//!    could take its handle, and the connections that programs open to it, with one packet;
//! 4. else, if a proved correspondent is at the packet's source, that one: it may have restarted.
//!    It is challenged, packets that start a session are passed on meanwhile, and a right answer
//!    puts the new Nonce in the place of the old one. Nothing else changes the old session;
//! 5. else another node with the same identifier somewhere else. It gets an alias, a handle of its
//!    own. Where all aliases are taken, the oldest tentative one makes room.

use super::{Due, Node};
use crate::drop_reason::DropReason;
use crate::id::{Handle, IlVector, Locator, Nid};
use crate::ilcc::tentative::Role;
use crate::ilcc::{Entry, Id, NonceVerified, Nonces, RemoteLocators, State, Tentative};
use crate::node::Event;
use crate::time::Instant;
use crate::wire::Nonce;

impl Node {
    /// Whether packets may be sent to this Locator of a correspondent at all.
    ///
    /// One of our own may be a correspondent's too: it is on the same link then.
    pub(super) fn may_send_to(&self, locator: Locator) -> bool {
        locator.is_usable() && self.config.handle_prefix.alias_of(locator).is_none()
    }

    /// Adds a correspondent of which nothing is known, making room if there is somebody who can go.
    pub(super) fn add(&mut self, now: Instant, handle: Handle) -> Option<Id> {
        self.add_before(now, handle, |entry| !entry.given)
    }

    /// The same, where only these can go.
    pub(super) fn add_before(
        &mut self,
        now: Instant,
        handle: Handle,
        can_go: impl Fn(&Entry) -> bool,
    ) -> Option<Id> {
        if self.table.len() >= self.config.limits.correspondents {
            let oldest = self.oldest(can_go)?;
            self.remove(oldest);
        }
        let nonces = Nonces::fresh(self.config.nonce_length, &mut self.random);
        let entry = Entry::new(now, handle, nonces, RemoteLocators::default());
        Some(self.table.insert(entry))
    }

    /// The correspondent that is the first to make room, of those that can go.
    fn oldest(&self, can_go: impl Fn(&Entry) -> bool) -> Option<Id> {
        let spare = self.spare.iter().map(|&(_, id)| id);
        let mut all = spare.chain(self.unproved.iter());
        all.find(|id| self.table.get(*id).is_some_and(&can_go))
    }

    /// Begins a session: with a fresh Nonce, and nothing known of the correspondent's.
    pub(super) fn begin(&mut self, now: Instant, id: Id, role: Role) {
        let nonces = Nonces::fresh(self.config.nonce_length, &mut self.random);
        let number = self.updates.number();
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        entry.nonces = nonces;
        entry.challenge = None;
        entry.update = Default::default();
        entry.update.acknowledged = number;
        entry.activity.sent = now;
        entry.activity.heard = now;
        self.set_state(id, State::Tentative(Box::new(Tentative::new(now, role))));
        self.set_due(id, Due::Update, None);
        let due = match role {
            Role::Initiator => Some(now + self.config.timers.challenge),
            Role::Responder(source) => {
                self.unproved.insert(source, now, id);
                None
            }
        };
        self.set_due(id, Due::Session, due);
        if role == Role::Initiator {
            self.look_up_if_stale(now, id);
        }
    }

    /// The tentative session that a node from `source` with an unknown Nonce is given, or `None`
    /// when a proved correspondent is there.
    ///
    /// # Errors
    /// [`DropReason::TentativeFull`] or [`DropReason::CorrespondentsFull`] when there is no room.
    pub(super) fn respond(
        &mut self,
        now: Instant,
        IlVector {
            nid,
            locator: source,
        }: IlVector,
        nonce: Nonce,
    ) -> Result<Option<Id>, DropReason> {
        let unproved = self.table.find_where(nid, |entry| {
            !entry.state.is_proved() && entry.remote.standing(source).is_some()
        });
        if let Some(id) = unproved {
            let began = self.table.get(id).and_then(Entry::tentative).is_some();
            if !began {
                self.make_room(now, source);
                self.begin(now, id, Role::Responder(source));
                if let Some(entry) = self.table.get_mut(id) {
                    entry.remote.set_destination(source);
                }
                self.claim(id, nonce);
            }
            return Ok(Some(id));
        }
        let proved = self
            .table
            .find_where(nid, |entry| entry.remote.expects(source));
        if proved.is_some() {
            return Ok(None);
        }
        if !self.may_send_to(source) {
            return Err(DropReason::NonceUnknown);
        }
        if let Some(id) = self.moved_unproved(now, nid, source, nonce) {
            return Ok(Some(id));
        }
        self.make_room(now, source);
        let handle = self
            .free_handle(now, nid)
            .ok_or(DropReason::TentativeFull)?;
        let id = self
            .add(now, handle)
            .ok_or(DropReason::CorrespondentsFull)?;
        if let Some(entry) = self.table.get_mut(id) {
            entry.remote = RemoteLocators::met(now, source);
        }
        self.begin(now, id, Role::Responder(source));
        self.claim(id, nonce);
        self.look_up_namesakes(now, nid);
        Ok(Some(id))
    }

    /// Notes the Nonce of the packet that began a session.
    fn claim(&mut self, id: Id, nonce: Nonce) {
        if let Some(tentative) = self.table.get_mut(id).and_then(Entry::tentative_mut) {
            tentative.claimed = Some(nonce);
        }
    }

    /// The unproved session of a stranger with this very Nonce, which moved while it began. What is
    /// known of a given correspondent is not given up for a Nonce that is not proved.
    fn moved_unproved(
        &mut self,
        now: Instant,
        nid: Nid,
        source: Locator,
        nonce: Nonce,
    ) -> Option<Id> {
        let id = self.table.find_where(nid, |entry| {
            let claimed = entry.tentative().and_then(|tentative| tentative.claimed);
            !entry.given && claimed == Some(nonce)
        })?;
        let entry = self.table.get_mut(id)?;
        entry.remote = RemoteLocators::met(now, source);
        let tentative = entry.tentative_mut()?;
        self.unproved.moved(id, tentative, source);
        Some(id)
    }

    /// Lets the oldest unproved session go where there are too many.
    fn make_room(&mut self, now: Instant, source: Locator) {
        let limits = &self.config.limits;
        let (each, total) = (limits.tentative_per_locator, limits.tentative);
        if let Some(oldest) = self.unproved.must_go(source, each, total) {
            self.forget_session(now, oldest);
        }
    }

    /// A handle for a node whose identifier others may have too.
    fn free_handle(&mut self, now: Instant, nid: Nid) -> Option<Handle> {
        let free = self.table.free_handle(nid);
        if free.is_some() {
            return free;
        }
        let others = self.table.with_nid(nid).filter(|(_, entry)| !entry.given);
        let (_, oldest) = others
            .filter_map(|(id, entry)| Some((entry.tentative()?.since, id)))
            .min()?;
        self.forget_session(now, oldest);
        self.table.free_handle(nid)
    }

    /// Ends a session that came to nothing: a given correspondent stays known, another one goes.
    pub(super) fn forget_session(&mut self, now: Instant, id: Id) {
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        if entry.given {
            let met = entry.state.is_proved();
            entry.challenge = None;
            self.set_due(id, Due::Update, None);
            self.set_state(id, State::Known { met, since: now });
            self.keep_unused(now, id);
        } else {
            self.remove(id);
        }
    }

    /// Takes a Nonce that is proved, of a session that begins or whose correspondent restarted.
    /// `asked` is when the packet was sent that proved it, if the answer came at once.
    pub(super) fn prove(
        &mut self,
        now: Instant,
        id: Id,
        nonce: Nonce,
        source: Locator,
        asked: Option<Instant>,
    ) -> Option<NonceVerified> {
        let entry = self.table.get_mut(id)?;
        if let Some(asked) = asked {
            let micros = u32::try_from((now - asked).as_micros());
            entry.rtt_us = Some(micros.unwrap_or(u32::MAX));
        }
        let restarted = entry.state.is_proved();
        let handle = entry.handle;
        let known_as = entry.state.label();
        let proof = entry.nonces.bind(nonce);
        entry.challenge = None;
        entry.heard(now);
        if restarted {
            // It has forgotten where we are.
            entry.update = Default::default();
        }
        let behind = entry.update.acknowledged != self.updates.number();
        self.set_state(id, State::Established);
        if known_as == "established" {
            self.outputs.event(Event::CorrespondentState {
                handle,
                state: known_as,
            });
        }
        self.note_source(now, id, source, &proof);
        self.push_path(now, id);
        self.watch(now, id);
        if behind {
            self.queue_update(now, id);
        }
        Some(proof)
    }
}
