//! The state machine: packets, link events, names and timers in; packets, data-path changes and
//! events out.
//!
//! | module | what happens there |
//! |---|---|
//! | `outbound` | packets of local programs |
//! | `inbound` | packets from the wire: which of them is whose |
//! | `strangers` | packets from the wire with a Nonce that is not known |
//! | `names`, `look_up` | what names say of correspondents, and when they are asked again |
//! | `session_start` | sessions begin, are proved, and begin again after a restart |
//! | `challenge` | the question that proves a return path |
//! | `fallback`, `classic_flows` | correspondents that do not speak ILNP |
//! | `update_send`, `update_receive` | Locator Updates |
//! | `handoff` | either end is somewhere else |
//! | `fence` | a copy of this host has its identifier |
//! | `relocation`, `campaign` | a move is planned, and how many know of one |
//! | `icmp` | ICMPv6 errors |
//! | `idle` | sessions that nobody uses, and correspondents that do not answer |
//! | `ping`, `restore`, `snapshot`, `timers` | what their names say |

mod bucket;
mod campaign;
mod challenge;
mod classic_flows;
mod config;
mod deadlines;
mod fallback;
mod fence;
mod handoff;
mod icmp;
mod idle;
mod inbound;
mod input;
mod look_up;
mod names;
mod outbound;
mod output;
mod outputs;
mod ping;
mod relocation;
mod restore;
mod session_start;
mod snapshot;
mod strangers;
#[cfg(test)]
mod tests;
mod timers;
mod update_receive;
mod update_send;

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub use bucket::{Bucket, Rate};
pub use config::{Config, Limits, Timers};
pub use input::{
    Activity, Input, LinkEvent, LocalLocator, LocatorHealth, MoveOrder, Relocation, RemoteLocator,
    Resolved, Restored,
};
pub use output::{
    ClassicFlow, DatapathUpdate, DnsRequest, Event, Occasion, OwnLocator, PathEntry, PathLocator,
    Slot, SlotIndex,
};
pub use snapshot::{
    CorrespondentSnapshot, LocatorSnapshot, PlanSnapshot, RemoteLocatorSnapshot, UpdateSnapshot,
};

use campaign::Campaign;
use classic_flows::ClassicFlows;
use deadlines::{Deadlines, Due};
use outputs::Outputs;
use ping::Pings;
use update_send::Updates;

use crate::drop_reason::DropReason;
use crate::id::Handle;
use crate::ilcc::{Entry, Id, LocalSet, State, Table, TentativeQueue};
use crate::time::Instant;
use crate::wire::Packet;
use crate::wire::reassembly::Reassembler;

/// One ILNP host.
///
/// There are four kinds of methods:
///
/// * `handle` and the `handle_*` that it calls take inputs, `restore` sessions that outlived a
///   daemon. Each is given the time, which never goes back.
/// * `poll_*` give outputs. After every input they are polled until they are empty, in this order,
///   which matters: `poll_datapath_update` (so that what is transmitted next finds its slot),
///   `poll_transmit`, `poll_deliver`, `poll_dns_request`, `poll_event`, `poll_timeout`.
/// * `locators`, `correspondents`, `names` and `counters` are views for people.
///
/// Whatever others send, memory is bounded by [`Limits`], and nothing panics.
#[derive(Debug)]
pub struct Node {
    config: Config,
    random: StdRng,
    local: LocalSet,
    /// While the identifier must not be used: the Locators that this host would have.
    fenced: Option<Vec<LocalLocator>>,
    /// When a planned move that did not happen is forgotten.
    plan_ends: Option<Instant>,
    campaign: Option<Campaign>,
    table: Table,
    /// Sessions that others began and that are not proved.
    unproved: TentativeQueue,
    /// Correspondents that may make room for others, the longest unused first.
    spare: BTreeSet<(Instant, Id)>,
    names: BTreeMap<Handle, Vec<String>>,
    deadlines: Deadlines,
    updates: Updates,
    classic: ClassicFlows,
    pings: Pings,
    reassembler: Reassembler,
    outputs: Outputs,
}

impl Node {
    /// A node that knows nobody and is nowhere. All its randomness comes from `seed`, which must
    /// therefore be unpredictable (RFC 6744 §7).
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut random = StdRng::from_seed(seed);
        let hash_key = [random.next_u64(), random.next_u64()];
        Self {
            table: Table::new(hash_key),
            classic: ClassicFlows::new(config.limits.classic_flows, &config.timers),
            pings: Pings::new(config.limits.pings),
            outputs: Outputs::new(config.limits.security_events),
            reassembler: Reassembler::new(Default::default()),
            random,
            config,
            local: LocalSet::default(),
            fenced: None,
            plan_ends: None,
            campaign: None,
            unproved: TentativeQueue::default(),
            spare: BTreeSet::new(),
            names: BTreeMap::new(),
            deadlines: Deadlines::default(),
            updates: Updates::default(),
        }
    }

    /// What the node was made with.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Takes any input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Outbound(packet) => self.handle_outbound(now, packet),
            Input::Inbound(packet) => self.handle_inbound(now, packet),
            Input::Link(event) => self.handle_link(now, event),
            Input::Resolved(resolved) => {
                self.handle_resolved(now, resolved);
            }
            Input::Activity { handle, activity } => self.handle_activity(now, handle, activity),
            Input::Move(order) => self.handle_move(now, order),
            Input::Relocation(order) => self.handle_relocation(now, order),
            Input::Ping {
                handle,
                identifier,
                sequence,
            } => self.handle_ping(now, handle, identifier, sequence),
            Input::Timeout => self.handle_timeout(now),
            Input::Fence => self.handle_fence(now),
            Input::Release { seed } => self.handle_release(now, seed),
        }
    }

    /// A packet for the wire.
    pub fn poll_transmit(&mut self) -> Option<Packet> {
        if self.is_fenced() {
            self.outputs.transmit.clear();
        }
        self.outputs.transmit.pop_front()
    }

    /// A packet for this host's own stack.
    pub fn poll_deliver(&mut self) -> Option<Packet> {
        self.outputs.deliver.pop_front()
    }

    /// A change to the data path's tables.
    pub fn poll_datapath_update(&mut self) -> Option<DatapathUpdate> {
        self.outputs.datapath.pop_front()
    }

    /// What is wanted of DNS.
    pub fn poll_dns_request(&mut self) -> Option<DnsRequest> {
        self.outputs.dns.pop_front()
    }

    /// Something that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.outputs.events.pop_front()
    }

    /// How many packets the node dropped, by reason. The data path counts its own.
    pub fn counters(&self) -> impl Iterator<Item = (DropReason, u64)> {
        self.outputs.dropped()
    }

    /// Puts a correspondent into a state, with everything that hangs on it: queues, data path and
    /// the event.
    fn set_state(&mut self, id: Id, state: State) {
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let before = core::mem::replace(&mut entry.state, state);
        if let State::Tentative(tentative) = &before {
            self.unproved.forget(id, tentative);
        }
        if let Some(since) = before.spare_since() {
            self.spare.remove(&(since, id));
        }
        if let Some(since) = entry.state.spare_since().filter(|_| !entry.configured) {
            self.spare.insert((since, id));
        }
        let (handle, label) = (entry.handle, entry.state.label());
        let is_known = |state: &State| matches!(state, State::Known { .. });
        let news = label != before.label() || is_known(&before) && !is_known(&entry.state);
        let stranger = entry.is_unproved_stranger();
        if before.is_proved() && !entry.state.is_proved() {
            self.leave_path(id);
        }
        if news && !stranger {
            self.outputs.event(Event::CorrespondentState {
                handle,
                state: label,
            });
        }
    }

    /// Tells the data path what it needs to know of a proved correspondent.
    fn push_path(&mut self, now: Instant, id: Id) {
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let (Some(nonce_in), Some(destination)) =
            (entry.nonces.inward(), entry.remote.destination())
        else {
            return;
        };
        // While a ping is under way the data path must not take its answer: without Locators it
        // leaves all that comes in to the node.
        let locators = match self.pings.is_waiting(entry.handle) {
            true => Vec::new(),
            false => entry.remote.for_path(now),
        };
        let path = PathEntry {
            slot: SlotIndex::PREFERRED,
            destination,
            nonce_out: entry.nonces.out(),
            nonce_in,
            locators,
        };
        entry.in_path = true;
        self.outputs
            .datapath
            .push_back(DatapathUpdate::Correspondent {
                handle: entry.handle,
                entry: Some(Box::new(path)),
            });
    }

    fn leave_path(&mut self, id: Id) {
        if let Some(entry) = self.table.get_mut(id)
            && core::mem::take(&mut entry.in_path)
        {
            self.outputs
                .datapath
                .push_back(DatapathUpdate::Correspondent {
                    handle: entry.handle,
                    entry: None,
                });
        }
    }

    fn set_due(&mut self, id: Id, due: Due, at: Option<Instant>) {
        if let Some(entry) = self.table.get_mut(id) {
            let remembered = match due {
                Due::Session => &mut entry.session_due,
                Due::Update => &mut entry.update_due,
            };
            self.deadlines.set(remembered, id, due, at);
        }
    }

    /// Forgets a correspondent altogether.
    fn remove(&mut self, id: Id) {
        self.set_due(id, Due::Session, None);
        self.set_due(id, Due::Update, None);
        self.leave_path(id);
        let Some(entry) = self.table.remove(id) else {
            return;
        };
        let stranger = entry.is_unproved_stranger();
        let Entry { handle, state, .. } = *entry;
        if let State::Tentative(tentative) = &state {
            self.unproved.forget(id, tentative);
        }
        if let Some(since) = state.spare_since() {
            self.spare.remove(&(since, id));
        }
        self.names.remove(&handle);
        if !stranger {
            self.outputs.event(Event::CorrespondentState {
                handle,
                state: "gone",
            });
        }
    }
}
