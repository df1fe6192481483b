//! What the tests read out of packets and events.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ilnp_core::drop_reason::DropReason;
use ilnp_core::id::{IlVector, Lifetime, Locator, Preference};
use ilnp_core::node::Event;
use ilnp_core::sim::stack::Message;
use ilnp_core::sim::{Host, Pair, Verdict, World};
use ilnp_core::time::Instant;
use ilnp_core::wire::translate::{self, Outward};
use ilnp_core::wire::{Headers, LocatorUpdate, Nonce, Operation, Packet, Record, Transport, build};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// How often both ends of a TCP session write in most tests.
pub(crate) const WRITE: Duration = Duration::from_millis(10);

/// A packet that left a site, and when.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) octets: Bytes,
    pub(crate) headers: Headers,
}

impl Seen {
    pub(crate) fn source(&self) -> Locator {
        IlVector::from(self.headers.source).locator
    }

    pub(crate) fn destination(&self) -> Locator {
        IlVector::from(self.headers.destination).locator
    }

    pub(crate) fn transport(&self) -> Transport {
        self.headers.transport(&self.octets)
    }

    pub(crate) fn update(&self) -> Option<LocatorUpdate> {
        update(&self.octets)
    }
}

/// Every packet that leaves a site from now on.
#[derive(Clone, Default)]
pub(crate) struct Capture(Rc<RefCell<Vec<Seen>>>);

impl Capture {
    pub(crate) fn start(world: &mut World) -> Self {
        let capture = Self::default();
        let seen = Rc::clone(&capture.0);
        world.filter(move |at, octets| {
            let headers = Headers::parse(octets).expect("what a host sends is well formed");
            seen.borrow_mut().push(Seen {
                at,
                octets: octets.clone(),
                headers,
            });
            Verdict::Pass
        });
        capture
    }

    /// What was seen so far.
    pub(crate) fn packets(&self) -> Vec<Seen> {
        self.0.borrow().clone()
    }

    /// The packets so far of one host.
    pub(crate) fn of(&self, host: &Host) -> Vec<Seen> {
        let mut packets = self.packets();
        packets.retain(|seen| IlVector::from(seen.headers.source).nid == host.nid());
        packets
    }

    /// The Locator Updates so far with this operation.
    pub(crate) fn updates(&self, operation: Operation) -> Vec<Seen> {
        let mut packets = self.packets();
        packets.retain(|seen| seen.update().is_some_and(|u| u.operation() == operation));
        packets
    }

    pub(crate) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

/// The Locator Update that a packet is.
pub(crate) fn update(octets: &Bytes) -> Option<LocatorUpdate> {
    const LOCATOR_UPDATE: u8 = 156;
    let headers = Headers::parse(octets).ok()?;
    match headers.transport(octets) {
        Transport::Icmp {
            kind: LOCATOR_UPDATE,
            ..
        } => LocatorUpdate::parse(headers.upper_layer(octets)).ok(),
        _ => None,
    }
}

pub(crate) fn is_advertisement(octets: &Bytes) -> bool {
    update(octets).is_some_and(|update| update.operation() == Operation::Advertisement)
}

pub(crate) fn is_acknowledgement(octets: &Bytes) -> bool {
    update(octets).is_some_and(|update| update.operation() == Operation::Acknowledgement)
}

/// Drops the first `count` packets that `which` picks.
pub(crate) fn drop_first(
    world: &mut World,
    mut count: usize,
    which: impl Fn(&Bytes) -> bool + 'static,
) {
    world.filter(move |_, octets| {
        if count > 0 && which(octets) {
            count -= 1;
            return Verdict::Drop;
        }
        Verdict::Pass
    });
}

/// The Locators that an update lists, in order.
pub(crate) fn listed(update: &LocatorUpdate) -> Vec<Locator> {
    update
        .records()
        .iter()
        .map(|record| record.locator)
        .collect()
}

/// How often the events of a host fulfil a condition.
pub(crate) fn count_events(host: &Host, which: impl Fn(&Event) -> bool) -> usize {
    host.events()
        .iter()
        .filter(|(_, event)| which(event))
        .count()
}

/// The prefixes of the four sites of a pair.
pub(crate) fn locators(pair: &mut Pair) -> [Locator; 4] {
    [pair.a, pair.b, pair.c, pair.d].map(|site| pair.world.internet().locator(site))
}

/// How many packets the node of a host dropped for this reason.
pub(crate) fn dropped(host: &Host, reason: DropReason) -> u64 {
    let node = host.node().expect("the daemon runs");
    let mut counters = node.counters();
    counters.find(|(r, _)| *r == reason).map_or(0, |(_, n)| n)
}

/// The Nonce in a packet.
pub(crate) fn nonce(seen: &Seen) -> Nonce {
    seen.headers.nonce.as_ref().expect("a Nonce").nonce
}

/// An advertisement of these Locators as a packet, which may well be a forgery.
pub(crate) fn advertisement(
    from: IlVector,
    to: IlVector,
    nonce: &Nonce,
    locators: &[Locator],
) -> Bytes {
    let records = locators
        .iter()
        .map(|locator| Record {
            locator: *locator,
            preference: Preference(10),
            lifetime: Lifetime(300),
        })
        .collect();
    let update = LocatorUpdate::advertisement(records).expect("1 to 255 Locators");
    let message = update.emit(from.address(), to.address());
    build::icmpv6(from, to, nonce, &message).octets
}

/// A message between handles as its sender's data path would send it.
pub(crate) fn on_the_wire(message: &Message, from: Locator, to: Locator, nonce: Nonce) -> Bytes {
    let outward = Outward {
        source: from,
        destination: to,
        nonce,
    };
    translate::outward(&Packet::new(message.emit()), &outward)
        .expect("a plain packet takes a Nonce")
        .octets
}
