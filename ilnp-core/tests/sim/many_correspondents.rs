//! One host with ten thousand correspondents.

use ilnp_core::node::{Config, Event};
use ilnp_core::sim::link::Conditions;
use ilnp_core::sim::{HostId, SiteId, World, host_nid, site_locator};

use super::support::*;

const CORRESPONDENTS: u16 = 10_000;

struct Crowd {
    world: World,
    centre: HostId,
    next: SiteId,
}

/// A host that exchanged an echo with each of ten thousand others, 50 ms away.
fn crowd() -> Crowd {
    let mut world = World::new(1);
    let conditions = Conditions::delay(MS * 25 / 2);
    let [first, next, theirs] =
        [0xa, 0xb, 0xc].map(|n| world.add_site(site_locator(n), conditions));
    let centre = world.add_host(Config::new(host_nid(1)));
    world.attach(centre, first);
    let from = world.host(centre).address();
    for number in 0..CORRESPONDENTS {
        let other = world.add_host(Config::new(host_nid(2 + number)));
        world.attach(other, theirs);
        world.introduce(centre, other);
        let to = world.host(other).address();
        world.act(centre, |host, _| host.stack.ping(from, to, 1, 1));
    }
    world.run_for(SECOND * 2);
    Crowd {
        world,
        centre,
        next,
    }
}

#[test]
fn ten_thousand_are_updated_and_acknowledge_within_two_seconds() {
    let mut crowd = crowd();
    let echoes = crowd.world.host(crowd.centre).stack.echoes().len();
    assert_eq!(echoes, usize::from(CORRESPONDENTS));
    let moved = crowd.world.now();
    crowd.world.move_to(crowd.centre, crowd.next);
    crowd.world.run_for(SECOND * 5);
    let acknowledged: Vec<_> = crowd
        .world
        .host(crowd.centre)
        .events()
        .iter()
        .filter(|(_, event)| matches!(event, Event::UpdateAcknowledged { .. }))
        .map(|(at, _)| *at - moved)
        .collect();
    assert_eq!(acknowledged.len(), usize::from(CORRESPONDENTS));
    let last = acknowledged.last().copied().unwrap();
    assert!(last <= SECOND * 2, "{last:?}");
}
