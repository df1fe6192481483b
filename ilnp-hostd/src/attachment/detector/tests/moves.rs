//! Moves, and what only looks like one.

use std::time::Duration;

use super::world::{LOSE_A, NID, R1, R2, World, address, advertisement, link, ours};
use crate::kernel::{Address, KernelEvent, Link, Snapshot};

#[test]
fn moves_to_a_site_whose_router_has_the_same_address() {
    let mut world = World::at_site_1();
    world.peers_notified();
    assert_eq!(world.ra(R1, "B"), LOSE_A);
    assert_eq!(world.set, "A-", "kept until the new one is usable");
    world.formed("B");
    assert_eq!(world.set, "B*");
    world.advance(10_000);
    assert_eq!(world.set, "B*");
}

#[test]
fn moves_to_a_site_with_another_router() {
    let mut world = World::at_site_1();
    world.peers_notified();
    world.advance(10);
    assert_eq!(world.ra(R2, "B"), [""; 0]);
    world.formed("B");
    assert_eq!(world.set, "A* B*", "it could be a second router");
    assert_eq!(world.advance(40), ["probe fe80::1"]);
    assert_eq!(world.set, "B* A-");
    let actions = world.advance(400);
    let expected = [
        &["probe fe80::1"][..],
        &["remove route fe80::1", "remove neighbour fe80::1"],
        &LOSE_A[..1],
    ]
    .concat();
    assert_eq!(actions[..4], expected);
    assert_eq!(world.set, "B*");
}

#[test]
fn moves_from_a_router_that_was_never_heard() {
    let mut world = World::at_site_1();
    world.formed("C");
    world.advance(10_000);
    assert_eq!(world.set, "A* C*");
    world.peers_notified();
    world.answer(R1);
    world.ra(R1, "A");
    world.advance(400);
    assert_eq!(world.set, "A*");
}

#[test]
fn moves_back_and_forth() {
    let mut world = World::at_site_1();
    for (prefix, set) in [("B", "B*"), ("A", "A*"), ("B", "B*"), ("A", "A*")] {
        world.advance(5_000);
        world.carrier(false);
        world.advance(30);
        world.carrier(true);
        world.ra(R1, prefix);
        world.formed(prefix);
        assert_eq!(world.set, set);
    }
}

#[test]
fn a_host_that_returns_does_not_wait_for_the_kernel() {
    let mut world = World::at_site_1();
    world.kernel(KernelEvent::Address(Address {
        deprecated: true,
        ..address(2, &ours("B"))
    }));
    world.peers_notified();
    let mut withdrawn = advertisement(R1, "B", 1800);
    withdrawn.prefixes[0].preferred = Some(Duration::ZERO);
    world.heard(2, withdrawn);
    assert_eq!(world.set, "B- A-");
    world.ra(R1, "B");
    assert_eq!(world.set, "B*");
}

#[test]
fn a_second_router_on_the_link_changes_nothing_for_the_first() {
    let mut world = World::at_site_1();
    assert_eq!(world.ra(R2, "B"), ["solicit 2", "probe fe80::1"]);
    world.formed("B");
    assert_eq!(world.set, "A* B*");
    world.answer(R1);
    assert_eq!(
        world
            .advance(10_000)
            .iter()
            .filter(|it| it.contains("remove"))
            .count(),
        0
    );
    assert_eq!(world.set, "A* B*");
}

#[test]
fn an_unannounced_move_is_noticed_by_the_stranger_on_the_link() {
    let mut world = World::at_site_1();
    world.ra(R2, "B");
    world.formed("B");
    world.advance(1_000);
    assert_eq!(world.set, "B*");
    // And where both routers have one address, by what it says when asked.
    let mut world = World::at_site_1();
    assert_eq!(world.ra(R1, "B"), ["solicit 2"]);
    world.formed("B");
    assert_eq!(world.set, "A* B*");
    world.ra(R1, "B");
    assert_eq!(world.set, "B*");
}

#[test]
fn a_router_that_shares_its_prefixes_over_several_advertisements_loses_none() {
    let mut world = World::at_site_1();
    world.ra(R1, "B");
    world.formed("B");
    for _ in 0..20 {
        world.ra(R1, "A");
        world.ra(R1, "B");
        world.advance(200);
        assert_eq!(world.set, "A* B*");
    }
}

#[test]
fn a_router_in_doubt_is_trusted_again_when_it_speaks() {
    let mut world = World::at_site_1();
    world.peers_notified();
    world.advance(400);
    assert_eq!(world.set, "A-");
    world.answer(R1);
    assert_eq!(world.set, "A*");
    world.peers_notified();
    world.advance(400);
    assert_eq!(world.set, "A-");
    world.ra(R1, "A");
    assert_eq!(world.set, "A*");
}

#[test]
fn without_a_carrier_locators_leave() {
    // The last one is kept for a while: a cable that is plugged in elsewhere is in again soon.
    let mut world = World::at_site_1();
    world.carrier(false);
    assert_eq!(world.set, "A-");
    world.advance(1_999);
    assert_eq!(world.set, "A-");
    world.advance(1);
    assert_eq!(world.set, "");
    // With another one that works it goes at once.
    let mut world = World::at_both_sites();
    world.carrier(false);
    assert_eq!(world.set, "B*");
}

#[test]
fn a_replugged_link_is_in_doubt_until_its_router_answers() {
    let mut world = World::at_site_1();
    world.carrier(false);
    world.carrier(true);
    assert_eq!(world.set, "A-");
    world.answer(R1);
    assert_eq!(world.set, "A*");
}

#[test]
fn after_a_start_the_default_gateway_is_the_router_until_one_is_heard() {
    let token = Some(NID.parse().unwrap());
    let snapshot = Snapshot {
        links: vec![Link {
            token,
            ..link(2, "eth0")
        }],
        addresses: vec![address(2, "fe80::9"), address(2, &ours("A"))],
        default_routes: vec![(2, R1.parse().unwrap())],
    };
    let mut world = World::new();
    let actions = world.kernel(KernelEvent::Snapshot(snapshot));
    assert_eq!(
        actions,
        ["prepare eth0 false", "solicit 2", "probe fe80::1"]
    );
    assert_eq!(world.set, "A*");
    assert_eq!(world.locator("A").router, Some(R1.parse().unwrap()));
    // The host was moved while no daemon ran.
    world.ra(R2, "B");
    world.formed("B");
    world.advance(1_000);
    assert_eq!(world.set, "B*");
}
