//! Correspondents that cannot be reached are looked up again (RFC 6740 §6.2).
//!
//! A host whose correspondent moves at the same time sends to where nobody is any more, and so does
//! the correspondent. Either finds the other by its name, if it knows one. A name is looked up
//!
//! * when a Locator Update is sent for the second time, and each time after that;
//! * when a correspondent answers neither packets nor the [challenge](super::challenge) that
//!   follows;
//! * when a session that begins is not answered within a second, or begins with Locators that are
//!   long out of date;
//! * when somebody with the identifier of a named correspondent appears where that one is not: it
//!   may be the same node, whose move went unnoticed.

use core::time::Duration;

use super::{DnsRequest, Node};
use crate::id::Nid;
use crate::ilcc::Id;
use crate::ilcc::entry::LookedUp;
use crate::time::Instant;

/// Programs use an address at once when they have resolved it: until then the Locators are as fresh
/// as can be, whatever their lifetime.
const AT_ONCE: Duration = Duration::from_secs(10);

impl Node {
    /// Asks for a correspondent's name to be looked up, unless that was just done.
    pub(super) fn look_up(&mut self, now: Instant, id: Id) {
        let (first, longest) = (
            self.config.timers.update_first,
            self.config.timers.update_longest,
        );
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let handle = entry.handle;
        let Some(name) = self.names.get(&handle).and_then(|names| names.first()) else {
            return;
        };
        let before = entry
            .looked_up
            .filter(|last| last.at > entry.activity.heard);
        if let Some(last) = before {
            let doubled = 1u32.checked_shl(last.times - 1).unwrap_or(u32::MAX);
            if now - last.at < first.saturating_mul(doubled).min(longest) {
                return;
            }
        }
        entry.looked_up = Some(LookedUp {
            at: now,
            times: before.map_or(1, |last| last.times.saturating_add(1)),
        });
        let name = name.clone();
        self.outputs
            .dns
            .push_back(DnsRequest::LookUp { handle, name });
    }

    /// A session begins: looks its correspondent up when that was not done for long.
    pub(super) fn look_up_if_stale(&mut self, now: Instant, id: Id) {
        let entry = self.table.get(id);
        let expires = entry.and_then(|entry| entry.remote.expires());
        if expires.is_some_and(|expires| now - expires > AT_ONCE) {
            self.look_up(now, id);
        }
    }

    /// Somebody with this identifier appeared where no named correspondent with it is.
    pub(super) fn look_up_namesakes(&mut self, now: Instant, nid: Nid) {
        let named = self.table.with_nid(nid).filter(|(_, entry)| entry.given);
        let named: Vec<_> = named.map(|(id, _)| id).collect();
        for id in named {
            self.look_up(now, id);
        }
    }
}
