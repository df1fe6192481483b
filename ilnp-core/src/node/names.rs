//! What names say of correspondents (RFC 6740 §8, RFC 6741 §5.2).
//!
//! # Whom does a name mean?
//!
//! Anybody can publish a name with somebody else's identifier. So a name speaks for a correspondent
//! only if it is the one that the correspondent was first known by. A resolved identifier means
//!
//! 1. the correspondent of that name; or one that a daemon before this one knew, whose name is not
//!    known any more;
//! 2. else one with that identifier that is known to be at one of the Locators: an identifier at a
//!    Locator is one node, whatever it is called. The name is remembered for people; where the
//!    correspondent is, it does not tell, unless the correspondent had no name before;
//! 3. else another node with the same identifier, which gets an alias, a handle of its own.
//!
//! A session goes before a correspondent that is only known, so that there is one session with a
//! node even where it has two handles.
//!
//! # Lifetimes
//!
//! The lifetime of a record says for how long new sessions may rely on it. It ends no session, whose
//! Locators come from its correspondent itself. A session that begins with Locators that are out of
//! date begins at once, and the name is looked up meanwhile.
//!
//! A name that says something else than its session is believed as soon as the correspondent answers
//! where the name says that it is: its move may have gone unnoticed. A session that is heard of is
//! not asked.

use core::time::Duration;

use super::{DatapathUpdate, Due, Node};
use crate::drop_reason::DropReason;
use crate::id::{Handle, Nid};
use crate::ilcc::tentative::Role;
use crate::ilcc::{Entry, Id, RemoteLocators, State};
use crate::node::{Event, RemoteLocator, Resolved};
use crate::time::Instant;

impl Node {
    /// A name was resolved, or a correspondent was configured.
    ///
    /// Returns the handle that programs are to use, or `None` when they are to use classic IPv6: the
    /// host is known not to speak ILNP, or there is nothing to send to, or no room.
    pub fn handle_resolved(&mut self, now: Instant, resolved: Resolved) -> Option<Handle> {
        let Resolved {
            name,
            configured,
            nid,
            locators: mut given,
        } = resolved;
        if nid == self.config.nid {
            let here = given.iter().any(|own| self.local.contains(own.locator));
            return here.then_some(Handle::new(nid));
        }
        given.retain(|remote| self.may_send_to(remote.locator));
        if given.is_empty() || nid.unusable_reason().is_some() {
            return None;
        }
        let known = self.table.with_nid(nid);
        let ranked = known.map(|(id, entry)| (self.rank(entry, name.as_deref(), &given), id));
        let meant = ranked.filter(|(rank, _)| *rank > 0);
        // Of equals the one with the first handle.
        let id = match meant.min_by_key(|(rank, _)| core::cmp::Reverse(*rank)) {
            Some((_, id)) => id,
            None => self.add_named(now, nid)?,
        };
        let speaks_for_it = self.remember_name(id, name);
        let entry = self.table.get_mut(id)?;
        entry.given = true;
        entry.configured |= configured;
        if speaks_for_it {
            self.take_locators(now, id, &given);
        }
        let entry = self.table.get(id)?;
        let classic = matches!(entry.state, State::Classic { .. });
        (!classic).then_some(entry.handle)
    }

    /// The names of a correspondent: first the one that it was first known by.
    pub fn names(&self, handle: Handle) -> &[String] {
        self.names.get(&handle).map_or(&[], Vec::as_slice)
    }

    /// How well a correspondent with the right identifier fits what was resolved; 0 for not at all.
    fn rank(&self, entry: &Entry, name: Option<&str>, given: &[RemoteLocator]) -> u8 {
        let named = match self.names(entry.handle).first() {
            Some(known_as) => name == Some(known_as.as_str()),
            None => entry.given,
        };
        let mut locators = given.iter().map(|remote| remote.locator);
        let there = locators.any(|locator| entry.remote.expects(locator));
        match (entry.state.is_proved(), named, there) {
            (true, true, _) => 4,
            (true, false, true) => 3,
            (false, true, _) => 2,
            (false, false, true) => 1,
            (_, false, false) => 0,
        }
    }

    /// A new correspondent. It gets the identifier's first handle, unless somebody has that who has
    /// proved anything or has a name.
    fn add_named(&mut self, now: Instant, nid: Nid) -> Option<Id> {
        let first = self.table.find(Handle::new(nid));
        if let Some(id) = first
            && self.table.get(id).is_some_and(Entry::is_unproved_stranger)
        {
            self.remove(id);
        }
        let free = self.table.free_handle(nid).or_else(|| {
            self.remove(self.oldest_namesake(nid)?);
            self.table.free_handle(nid)
        });
        // Strangers make room for names, and names for newer names; but not names for strangers.
        let can_go = |entry: &Entry| !entry.configured;
        let added = free.and_then(|handle| self.add_before(now, handle, can_go));
        match free.filter(|_| added.is_some()) {
            Some(handle) => self.outputs.event(Event::CorrespondentState {
                handle,
                state: "tentative",
            }),
            None => self.outputs.drop(DropReason::CorrespondentsFull),
        }
        added
    }

    /// The correspondent with this identifier that is of the least use: claims of an identifier must
    /// not keep its owner out for long.
    fn oldest_namesake(&self, nid: Nid) -> Option<Id> {
        let others = self.table.with_nid(nid);
        let spare = others.filter(|(_, entry)| !entry.configured);
        let oldest = spare.filter_map(|(id, entry)| Some((entry.state.spare_since()?, id)));
        oldest.min().map(|(_, id)| id)
    }

    /// Remembers a name of a correspondent. Returns whether it is the one that speaks for it.
    fn remember_name(&mut self, id: Id, name: Option<String>) -> bool {
        let Some(entry) = self.table.get(id) else {
            return false;
        };
        let Some(name) = name else {
            return true;
        };
        let names = self.names.entry(entry.handle).or_default();
        if !names.contains(&name) && names.len() < self.config.limits.names {
            names.push(name.clone());
        }
        names.first() == Some(&name)
    }

    /// Takes the Locators that a correspondent's name has now.
    fn take_locators(&mut self, now: Instant, id: Id, given: &[RemoteLocator]) {
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        match entry.state {
            State::Classic { until } if until > now && entry.remote.lists(given) => {}
            State::Known { .. } | State::Classic { .. } => {
                let met = entry.state.label() == "aged";
                entry.remote = RemoteLocators::resolved(now, given, entry.spread());
                let since = now;
                self.set_state(id, State::Known { met, since });
                self.keep_unused(now, id);
            }
            State::Tentative(_) | State::Established | State::Aged { .. } => {
                self.follow_name(now, id, given);
            }
        }
    }

    /// Sets the time when a correspondent without a session is forgotten.
    pub(super) fn keep_unused(&mut self, now: Instant, id: Id) {
        let configured = self.table.get(id).is_some_and(|entry| entry.configured);
        let end = now + self.config.timers.forgotten;
        self.set_due(id, Due::Session, (!configured).then_some(end));
    }

    /// A correspondent that does not answer may have moved at the same time as this host (RFC 6740
    /// §6.2), or while its records were in a cache: it is looked for where its name says that it is.
    fn follow_name(&mut self, now: Instant, id: Id, given: &[RemoteLocator]) {
        let patience = self.config.timers.challenge;
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        entry.remote.add_hints(given);
        let before = entry.remote.destination();
        let best = given.iter().min_by_key(|remote| remote.preference);
        let same = given.iter().any(|remote| Some(remote.locator) == before);
        let Some(best) = best.filter(|_| !same) else {
            return;
        };
        if !is_unanswered(now, patience, entry) {
            entry.elsewhere = Some(best.locator);
            let read = DatapathUpdate::ReadActivity(entry.handle);
            self.outputs.datapath.push_back(read);
            return;
        }
        entry.challenge = None;
        entry.remote.set_destination(best.locator);
        let first = entry.tentative().map(|tentative| tentative.first());
        self.destination_changed(now, id, before);
        self.challenge(now, id, best.locator);
        for packet in first.unwrap_or_default() {
            if let Err(reason) = self.send(id, &packet) {
                self.outputs.drop(reason);
            }
        }
    }
}

impl Node {
    /// Asks a correspondent, both where its session and where its name says that it is, unless it
    /// was just heard of. Its answer tells which is right.
    pub(super) fn ask_elsewhere(&mut self, now: Instant, id: Id) {
        let patience = self.config.timers.challenge;
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let Some(elsewhere) = entry.elsewhere.take() else {
            return;
        };
        if !entry.state.is_proved() || now - entry.activity.heard < patience {
            return;
        }
        entry.challenge = None;
        let destination = entry.remote.destination();
        if let Some(destination) = destination {
            self.challenge(now, id, destination);
        }
        self.repeat_challenge(id, elsewhere);
    }
}

/// Whether a correspondent was asked something and has not answered. One look-up of a program asks
/// for two types, and its second answer finds what was asked because of the first.
fn is_unanswered(now: Instant, patience: Duration, entry: &Entry) -> bool {
    match &entry.state {
        State::Tentative(tentative) => {
            tentative.role == Role::Initiator && entry.activity.heard <= tentative.since
        }
        _ => {
            let asked = entry.challenge.as_ref();
            entry.update.tries > 1
                || asked.is_some_and(|asked| asked.tries > 1 || now - asked.sent >= patience)
        }
    }
}
