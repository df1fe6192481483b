//! Planned moves: correspondents are told of the place before the host is there.

use ilnp_core::id::Locator;
use ilnp_core::node::{Event, Input, LocalLocator, LocatorHealth, MoveOrder, Occasion, Relocation};
use ilnp_core::sim::link::{Conditions, Fate, Link};
use ilnp_core::sim::{HostId, Pair, Settings, SiteId, Verdict, interface};
use ilnp_core::wire::Operation;

use super::support::*;

fn order(pair: &mut Pair, host: HostId, order: Relocation) {
    pair.world
        .act(host, |host, now| host.tell(now, Input::Relocation(order)));
}

fn future(pair: &mut Pair, site: SiteId) -> LocalLocator {
    LocalLocator {
        locator: pair.world.internet().locator(site),
        interface: interface(site),
        router: None,
        health: LocatorHealth::Working,
        valid_until: None,
        mtu: 1500,
    }
}

fn prepare(pair: &mut Pair, host: HostId, site: SiteId) {
    let future = future(pair, site);
    order(pair, host, Relocation::Prepare(vec![future]));
}

/// What arrives at the next site waits there until the host runs: as if it were read at once.
fn queue_at(pair: &mut Pair, host: HostId, site: SiteId) {
    pair.world.plug(host, site);
}

fn told(pair: &Pair, host: HostId) -> Vec<(Occasion, usize, usize)> {
    let events = pair.world.host(host).events().iter();
    events
        .filter_map(|(_, event)| match event {
            Event::Told {
                occasion,
                correspondents,
                acknowledged,
            } => Some((*occasion, *correspondents, *acknowledged)),
            _ => None,
        })
        .collect()
}

fn destination(pair: &Pair, of: HostId) -> Locator {
    let node = pair.world.host(of).node().unwrap();
    let known = node.correspondents(pair.world.now());
    let active = known[0].locators.iter().find(|one| one.state == "active");
    active.unwrap().locator
}

#[test]
fn nothing_is_lost_when_correspondents_switch_a_round_trip_before_the_stop() {
    for lead in [51, 60, 100, 500] {
        let mut pair = Pair::default();
        let there = pair.world.stream(pair.mobile, pair.fixed, MS);
        pair.world.run_for(SECOND);
        let back = pair.world.stream_back(&there, MS);
        pair.world.run_for(SECOND);
        let (mobile, b) = (pair.mobile, pair.b);
        prepare(&mut pair, mobile, b);
        pair.world.run_for(MS * 200);
        order(&mut pair, mobile, Relocation::Switch);
        queue_at(&mut pair, mobile, b);
        pair.world.run_for(MS * lead);
        pair.world.move_to(mobile, b);
        pair.world.run_for(SECOND);
        assert_eq!(pair.world.finish(&there, SECOND), 0, "{lead} ms");
        assert_eq!(pair.world.finish(&back, SECOND), 0, "{lead} ms");
    }
}

#[test]
fn nothing_is_lost_while_the_daemon_does_not_know_yet_that_it_was_moved() {
    let mut pair = Pair::default();
    let there = pair.world.stream(pair.mobile, pair.fixed, MS);
    pair.world.run_for(SECOND);
    let back = pair.world.stream_back(&there, MS);
    pair.world.run_for(SECOND);
    let (mobile, a, b) = (pair.mobile, pair.a, pair.b);
    prepare(&mut pair, mobile, b);
    pair.world.run_for(MS * 200);
    order(&mut pair, mobile, Relocation::Switch);
    queue_at(&mut pair, mobile, b);
    pair.world.run_for(MS * 60);
    pair.world.unplug(mobile, a);
    pair.world.run_for(MS * 500);
    pair.world.announce(mobile, &[]);
    pair.world.run_for(SECOND);
    assert_eq!(pair.world.finish(&there, SECOND), 0);
    assert_eq!(pair.world.finish(&back, SECOND), 0);
}

#[test]
fn what_is_prepared_is_announced_but_not_used() {
    let mut pair = Pair::default();
    let [a, b, ..] = locators(&mut pair);
    pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    pair.world.act(pair.mobile, |host, _| host.clear_events());
    let capture = Capture::start(&mut pair.world);
    let (mobile, site) = (pair.mobile, pair.b);
    prepare(&mut pair, mobile, site);
    pair.world.run_for(SECOND);
    assert_eq!(destination(&pair, pair.fixed), a);
    order(&mut pair, mobile, Relocation::Switch);
    pair.world.run_for(MS * 100);
    assert_eq!(destination(&pair, pair.fixed), b);
    let updates = capture.updates(Operation::Advertisement);
    let bodies: Vec<_> = updates.iter().map(|seen| seen.update().unwrap()).collect();
    assert_eq!(listed(&bodies[0]), [a, b]);
    assert_eq!(listed(bodies.last().unwrap()), [b, a]);
    let host = pair.world.host(mobile);
    assert!(capture.of(host).iter().all(|seen| seen.source() == a));
    use Occasion::{Prepared, Switched};
    assert_eq!(
        told(&pair, mobile),
        [
            (Prepared, 1, 0),
            (Prepared, 1, 1),
            (Switched, 1, 0),
            (Switched, 1, 1)
        ]
    );
}

#[test]
fn the_arrival_is_told_at_once_from_the_new_locator_with_it_alone() {
    let mut pair = Pair::default();
    let [_, b, ..] = locators(&mut pair);
    pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    let (mobile, site) = (pair.mobile, pair.b);
    prepare(&mut pair, mobile, site);
    pair.world.run_for(SECOND);
    order(&mut pair, mobile, Relocation::Switch);
    // No longer than changes are gathered otherwise.
    pair.world.run_for(MS * 5);
    let capture = Capture::start(&mut pair.world);
    let arrival = pair.world.now();
    pair.world.move_to(mobile, site);
    pair.world.run_for(MS * 100);
    // Packets are seen when they have crossed the link of their site.
    let updates = capture.updates(Operation::Advertisement);
    let mut updates = updates.iter().filter(|seen| seen.source() == b);
    let first = updates.next().unwrap();
    assert!(first.at - arrival < MS * 20, "{:?}", first.at - arrival);
    assert_eq!(listed(&first.update().unwrap()), [b]);
    assert_eq!(told(&pair, mobile).last(), Some(&(Occasion::Moved, 1, 1)));
}

#[test]
fn sessions_survive_with_a_third_of_the_updates_lost() {
    for seed in 0..20 {
        let mut pair = Pair::new(Settings {
            seed,
            ..Settings::default()
        });
        let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
        pair.world.run_for(SECOND);
        let conditions = Conditions {
            loss: 0.3,
            ..Conditions::default()
        };
        let mut chance = Link::new(conditions, seed);
        pair.world.filter(move |now, octets| {
            let lost = update(octets).is_some() && chance.send(now, octets.clone()) == Fate::Lost;
            if lost { Verdict::Drop } else { Verdict::Pass }
        });
        for round in 0..10 {
            let (mobile, sites) = (pair.mobile, [pair.b, pair.a]);
            let site = sites[round % 2];
            prepare(&mut pair, mobile, site);
            pair.world.run_for(MS * 100);
            order(&mut pair, mobile, Relocation::Switch);
            pair.world.run_for(MS * 60);
            pair.world.move_to(mobile, site);
            let took = pair.world.drive_until_flowing(&session, SECOND * 5);
            assert!(took.is_some(), "seed {seed}, move {round}");
        }
    }
}

#[test]
fn a_move_that_is_cancelled_after_the_switch_leaves_all_as_it_was() {
    let mut pair = Pair::default();
    let [a, ..] = locators(&mut pair);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    let (mobile, site) = (pair.mobile, pair.b);
    prepare(&mut pair, mobile, site);
    pair.world.run_for(SECOND);
    order(&mut pair, mobile, Relocation::Switch);
    pair.world.run_for(MS * 300);
    assert!(
        pair.world
            .host(mobile)
            .node()
            .unwrap()
            .plan(pair.world.now())
            .is_some()
    );
    let capture = Capture::start(&mut pair.world);
    order(&mut pair, mobile, Relocation::Cancel);
    pair.world.run_for(MS * 100);
    assert_eq!(destination(&pair, pair.fixed), a);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
    let updates = capture.updates(Operation::Advertisement);
    let last = updates.last().unwrap().update().unwrap();
    assert_eq!(listed(&last), [a]);
    let end = (Occasion::Cancelled, 1, 1);
    assert_eq!(told(&pair, mobile).last(), Some(&end));
    assert_eq!(
        pair.world
            .host(mobile)
            .node()
            .unwrap()
            .plan(pair.world.now()),
        None
    );
    // There is nothing more to be cancelled, or to be switched to.
    let count = told(&pair, mobile).len();
    order(&mut pair, mobile, Relocation::Cancel);
    order(&mut pair, mobile, Relocation::Switch);
    assert_eq!(told(&pair, mobile).len(), count);
}

#[test]
fn a_plan_that_nothing_becomes_of_is_forgotten() {
    let mut settings = Settings::default();
    settings.mobile.timers.prepared = SECOND * 30;
    let mut pair = Pair::new(settings);
    let [a, ..] = locators(&mut pair);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    let (mobile, site) = (pair.mobile, pair.b);
    prepare(&mut pair, mobile, site);
    pair.world.run_for(SECOND * 29);
    assert!(
        told(&pair, mobile)
            .iter()
            .all(|told| told.0 == Occasion::Prepared)
    );
    // Whoever asks again has not given up.
    prepare(&mut pair, mobile, site);
    pair.world.run_for(SECOND * 10);
    order(&mut pair, mobile, Relocation::Switch);
    pair.world.run_for(MS * 9900);
    assert_ne!(destination(&pair, pair.fixed), a);
    pair.world.run_for(MS * 200);
    assert_eq!(destination(&pair, pair.fixed), a);
    let end = (Occasion::Expired, 1, 1);
    assert_eq!(told(&pair, mobile).last(), Some(&end));
    assert!(
        pair.world
            .drive_until_flowing(&session, SECOND * 5)
            .is_some()
    );
}

#[test]
fn both_ends_can_be_relocated_at_once() {
    for apart in [0, 1, 10, 25, 26, 60, 100] {
        let mut pair = Pair::default();
        let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
        pair.world.run_for(SECOND);
        let moves = [(pair.mobile, pair.b), (pair.fixed, pair.d)];
        for (host, site) in moves {
            prepare(&mut pair, host, site);
            pair.world.run_for(MS * apart);
        }
        pair.world.run_for(MS * 300);
        for (host, site) in moves {
            order(&mut pair, host, Relocation::Switch);
            queue_at(&mut pair, host, site);
            pair.world.run_for(MS * apart);
        }
        pair.world.run_for(MS * 60);
        for (host, site) in moves {
            pair.world.move_to(host, site);
            pair.world.run_for(MS * apart);
        }
        let took = pair.world.drive_until_flowing(&session, SECOND);
        assert!(took.is_some(), "{apart} ms apart");
        for (host, other) in [(pair.mobile, pair.d), (pair.fixed, pair.b)] {
            pair.world.run_for(SECOND);
            let expected = pair.world.internet().locator(other);
            assert_eq!(destination(&pair, host), expected, "{apart} ms apart");
        }
    }
}

#[test]
fn a_correspondent_that_never_acknowledges_keeps_nobody_waiting() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    pair.world.filter(|_, octets| match update(octets) {
        Some(update) if update.operation() == Operation::Acknowledgement => Verdict::Drop,
        _ => Verdict::Pass,
    });
    let (mobile, site) = (pair.mobile, pair.b);
    prepare(&mut pair, mobile, site);
    pair.world.run_for(SECOND);
    order(&mut pair, mobile, Relocation::Switch);
    pair.world.run_for(MS * 60);
    pair.world.move_to(mobile, site);
    let took = pair.world.drive_until_flowing(&session, SECOND);
    assert!(took.is_some());
    assert!(told(&pair, mobile).iter().all(|told| told.2 == 0));
}

#[test]
fn a_place_that_the_host_has_already_is_no_plan() {
    let mut pair = Pair::default();
    pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    let (mobile, site) = (pair.mobile, pair.a);
    prepare(&mut pair, mobile, site);
    assert_eq!(told(&pair, mobile), []);
    assert_eq!(
        pair.world
            .host(mobile)
            .node()
            .unwrap()
            .plan(pair.world.now()),
        None
    );
    // Nor can one be preferred that it does not have yet.
    let b = pair.b;
    prepare(&mut pair, mobile, b);
    let wanted = future(&mut pair, b).locator;
    let order = MoveOrder {
        locator: Some(wanted),
        drop: Vec::new(),
    };
    pair.world
        .act(mobile, |host, now| host.tell(now, Input::Move(order)));
    let own = pair.world.host(mobile).node().unwrap();
    assert_ne!(own.locators(pair.world.now())[0].locator, wanted);
}
