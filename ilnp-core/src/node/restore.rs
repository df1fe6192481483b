//! Sessions that outlived a daemon.

use super::{DatapathUpdate, Node, Restored};
use crate::ilcc::{Nonces, RemoteLocators, State};
use crate::time::Instant;

impl Node {
    /// Takes over a session from the data path, which went on while no daemon ran.
    ///
    /// Its correspondent is told of this host's Locators as soon as they are known: nobody can say
    /// what they were when it was told last. An entry that cannot be used is taken out of the data
    /// path.
    pub fn restore(&mut self, now: Instant, restored: Restored) {
        let Restored {
            handle,
            entry: path,
            activity,
            mut names,
        } = restored;
        let usable = self.may_send_to(path.destination) && handle.nid != self.config.nid;
        let id = match self.table.find(handle) {
            Some(id) if usable => Some(id),
            None if usable => self.add(now, handle),
            _ => None,
        };
        let Some((id, entry)) = id.and_then(|id| Some((id, self.table.get_mut(id)?))) else {
            let entry = None;
            let forget = DatapathUpdate::Correspondent { handle, entry };
            self.outputs.datapath.push_back(forget);
            return;
        };
        entry.nonces = Nonces::restored(path.nonce_out, path.nonce_in);
        entry.remote = RemoteLocators::restored(now, &path);
        entry.activity.sent = activity.sent.min(now);
        entry.activity.heard = activity.heard.min(now);
        entry.in_path = true;
        // Where no name is remembered, the first one that fits it is its name.
        entry.given = true;
        names.truncate(self.config.limits.names);
        if !names.is_empty() {
            self.names.insert(handle, names);
        }
        entry.update = Default::default();
        // What the daemon before sent last may still be under way.
        entry.update.overtaking = true;
        self.set_state(id, State::Established);
        self.watch(now, id);
        if self.updates.number() > 0 {
            self.queue_update(now, id);
        }
    }
}
