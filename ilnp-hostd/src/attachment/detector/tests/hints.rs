//! What is asked of the link after a hint.

use super::world::{R1, World, address, link};
use crate::attachment::Action;
use crate::kernel::{Address, KernelEvent, Link};

#[test]
fn an_announced_migration_solicits_at_once_and_again_after_50_and_150_ms() {
    let mut world = World::at_site_1();
    let both = ["solicit 2", "probe fe80::1"];
    assert_eq!(world.peers_notified(), both);
    assert_eq!(world.advance(49), [""; 0]);
    assert_eq!(world.advance(1), both);
    assert_eq!(world.advance(99), [""; 0]);
    assert_eq!(world.advance(1), both);
    assert_eq!(world.set, "A*", "nothing speaks against it yet");
    assert_eq!(world.advance(200), [""; 0]);
    assert_eq!(world.set, "A-", "its router did not answer");
}

#[test]
fn a_migration_that_is_announced_again_is_looked_into_once() {
    let mut world = World::at_site_1();
    world.peers_notified();
    world.advance(40);
    assert_ne!(world.peers_notified(), [""; 0], "nobody has answered yet");
    world.advance(40);
    world.ra(R1, "A");
    assert_ne!(world.peers_notified(), [""; 0], "it has not moved yet");
    world.ra(R1, "B");
    world.formed("B");
    for wait in [100, 200] {
        world.advance(wait);
        assert_eq!(world.peers_notified(), [""; 0]);
        world.detector.handle_arrival(world.now);
        assert_eq!(world.collect(), [""; 0]);
    }
    assert_eq!(world.set, "B*");
    world.advance(1_500);
    assert_ne!(world.peers_notified(), [""; 0], "another one");
}

#[test]
fn every_hint_solicits() {
    for hint in [
        |world: &mut World| world.peers_notified(),
        |world: &mut World| {
            world.carrier(false);
            world.carrier(true)
        },
        // A flap that was too short for an event.
        |world: &mut World| {
            world.link(Link {
                carrier_ups: Some(2),
                ..link(2, "eth0")
            })
        },
        |world: &mut World| {
            world.detector.handle_hint(world.now);
            world.collect()
        },
        |world: &mut World| {
            world.kernel(KernelEvent::NeighbourFailed {
                interface: 2,
                address: R1.parse().unwrap(),
            })
        },
    ] {
        let mut world = World::at_site_1();
        assert_eq!(hint(&mut world), ["solicit 2", "probe fe80::1"]);
    }
}

#[test]
fn hints_without_a_carrier_wait_for_it() {
    let mut world = World::at_site_1();
    world.carrier(false);
    world.detector.handle_hint(world.now);
    assert_eq!(world.collect(), [""; 0]);
    assert_eq!(world.advance(60_000), [""; 0]);
}

#[test]
fn a_missing_router_is_asked_for_ever_more_slowly() {
    let mut world = World::at_site_1();
    world.peers_notified();
    let solicitations = world.advance(600_000);
    let count = solicitations.iter().filter(|it| *it == "solicit 2").count();
    assert!((10..25).contains(&count), "{count}");
}

#[test]
fn an_optimistic_sender_does_not_tell_its_mac_and_does_not_probe() {
    let mut world = World::at_site_1();
    world.kernel(KernelEvent::Address(Address {
        tentative: true,
        optimistic: true,
        ..address(2, "fe80::9")
    }));
    world.detector.handle_hint(world.now);
    let Some(Action::Solicit(from)) = world.detector.poll_action() else {
        panic!("no solicitation");
    };
    assert_eq!(from.mac, None);
    assert_eq!(world.detector.poll_action(), None);
}

#[test]
fn a_solicitation_waits_for_a_link_local_address() {
    let mut world = World::at_site_1();
    world.kernel(KernelEvent::AddressGone(address(2, "fe80::9")));
    assert_eq!(world.peers_notified(), [""; 0]);
    world.advance(1_200);
    let actions = world.kernel(KernelEvent::Address(address(2, "fe80::9")));
    assert_eq!(actions, ["solicit 2", "probe fe80::1"]);
}
