//! Either end is somewhere else (RFC 6740 §6, RFC 6744 §4).

use super::{DnsRequest, Event, LinkEvent, MoveOrder, Node, Occasion, OwnLocator};
use crate::id::Locator;
use crate::ilcc::{Id, LocalSet, NonceVerified};
use crate::node::DatapathUpdate;
use crate::time::Instant;

/// Whether correspondents are told of this host's Locators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// When they changed, and not more often than need be.
    WhenNew,
    /// In any case.
    Anyway,
    /// In any case, and however shortly the last time was.
    AtOnce,
}

impl Node {
    /// The Locators of this host, or their routers, changed.
    pub fn handle_link(&mut self, now: Instant, event: LinkEvent) {
        let LinkEvent::Locators(mut given) = event;
        let prefix = self.config.handle_prefix;
        given.retain(|own| prefix.alias_of(own.locator).is_none());
        if let Some(kept) = &mut self.fenced {
            *kept = given;
            return;
        }
        let before = self.own_locators();
        let tell = match self.local.replace(given) {
            true => Tell::AtOnce,
            false => Tell::WhenNew,
        };
        if tell == Tell::AtOnce {
            self.forget_plan();
        }
        self.locators_changed(now, &before, tell);
    }

    /// A user asks to act as if the host had moved: to another Locator, away from some, or only to
    /// tell every correspondent again where this host is.
    pub fn handle_move(&mut self, now: Instant, order: MoveOrder) {
        let before = self.own_locators();
        for locator in order.drop {
            self.local.give_up(locator);
        }
        if let Some(locator) = order.locator {
            self.local.prefer(locator);
        }
        self.locators_changed(now, &before, Tell::Anyway);
    }

    pub(super) fn own_locators(&self) -> Vec<(Locator, u32)> {
        let own = self.local.iter();
        own.map(|own| (own.given.locator, own.given.interface))
            .collect()
    }

    /// Switches the data path first: that is one write, whatever the number of correspondents. Then
    /// tells the correspondents.
    pub(super) fn locators_changed(&mut self, now: Instant, before: &[(Locator, u32)], tell: Tell) {
        self.push_slots();
        let after = self.own_locators();
        let has = |set: &[(Locator, u32)], wanted: Locator| {
            set.iter().any(|&(locator, _)| locator == wanted)
        };
        for &(locator, interface) in after.iter().filter(|(new, _)| !has(before, *new)) {
            let added = Event::LocatorAdded { locator, interface };
            self.outputs.event(added);
        }
        for &(locator, _) in before.iter().filter(|(old, _)| !has(&after, *old)) {
            self.outputs.event(Event::LocatorRemoved { locator });
        }
        let first = |set: &[(Locator, u32)]| set.first().map(|&(locator, _)| locator);
        let moved = first(before) != first(&after);
        if moved {
            let locator = first(&after);
            self.outputs.event(Event::SourceChanged { locator });
        }
        let order = |set: &[(Locator, u32)]| set.iter().map(|own| own.0).collect::<Vec<_>>();
        match tell {
            Tell::WhenNew if order(before) == order(&after) => return,
            Tell::WhenNew | Tell::Anyway => self.announce(now),
            Tell::AtOnce => self.make_body(now),
        }
        if moved && !before.is_empty() {
            self.begin_campaign(Occasion::Moved);
        }
        self.publish();
    }

    /// Tells the data path of the slots that changed.
    pub(super) fn push_slots(&mut self) {
        for (index, slot) in self.local.take_slot_changes() {
            let change = DatapathUpdate::Slot { index, slot };
            self.outputs.datapath.push_back(change);
        }
    }

    /// Says what DNS is to tell of this host.
    fn publish(&mut self) {
        let preferences = (0..).map(LocalSet::preference);
        let own: Vec<_> = self
            .local
            .iter()
            .zip(preferences)
            .map(|(own, preference)| OwnLocator {
                locator: own.given.locator,
                preference,
            })
            .collect();
        self.outputs.dns.push_back(DnsRequest::Publish(own));
    }

    /// An authenticated packet came from this Locator. When that is news, it is where packets go
    /// now, until a Locator Update says otherwise: the update may have been lost, or filtered.
    pub(super) fn note_source(
        &mut self,
        now: Instant,
        id: Id,
        source: Locator,
        proof: &NonceVerified,
    ) {
        let sendable = self.may_send_to(source);
        let late = self.config.timers.late;
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let left = entry.remote.left(source);
        let was_under_way = left.is_some_and(|left| now - left <= late);
        if entry.remote.expects(source) || was_under_way || !sendable {
            return;
        }
        let before = entry.remote.destination();
        entry.remote.adopt(now, source, proof);
        self.destination_changed(now, id, before);
    }

    /// Tells the data path, and whoever watches. A Locator Update that is under way to the old
    /// place is sent to the new one at once: both ends may have moved.
    pub(super) fn destination_changed(&mut self, now: Instant, id: Id, before: Option<Locator>) {
        self.push_path(now, id);
        let Some(entry) = self.table.get(id) else {
            return;
        };
        let (handle, after) = (entry.handle, entry.remote.destination());
        if let Some(locator) = after.filter(|_| after != before) {
            self.outputs
                .event(Event::DestinationChanged { handle, locator });
            self.retarget_update(now, id);
        }
    }
}
