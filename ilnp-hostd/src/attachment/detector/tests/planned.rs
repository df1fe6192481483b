//! Moves that were told in advance.

use super::world::{LOSE_A, R1, R2, World, address, advertisement, locator, ours};
use crate::attachment::Plan;
use crate::kernel::KernelEvent;

fn plan(router: &str, prefixes: &str) -> Plan {
    Plan {
        locators: prefixes
            .chars()
            .map(|it| locator(&it.to_string()))
            .collect(),
        router: router.parse().unwrap(),
        router_mac: Some([2, 0, 0, 0, 0, 2]),
    }
}

impl World {
    /// Prepares a move, and lets the kernel tell of the addresses.
    fn prepare(&mut self, router: &str, prefixes: &str) -> Vec<String> {
        let future = self
            .detector
            .prepare(self.now, plan(router, prefixes))
            .unwrap();
        let actions = self.collect();
        for own in future {
            let known = address(2, &ours(&letter(&own.locator.to_string())));
            self.kernel(KernelEvent::Address(crate::kernel::Address {
                deprecated: true,
                advertised: false,
                ..known
            }));
        }
        actions
    }

    fn arrive(&mut self) -> Vec<String> {
        self.detector.handle_arrival(self.now);
        assert!(self.detector.has_arrived());
        assert!(!self.detector.has_arrived());
        self.collect()
    }
}

fn letter(locator: &str) -> String {
    let rest = locator.trim_start_matches("2001:db8:");
    rest.trim_end_matches("::/64").to_owned()
}

const INSTALL: [&str; 2] = [
    "install 2001:db8:b:0:214:4fff:fe20:ee64",
    "install route fe80::2",
];
const NEXT_HOP: &str = "set neighbour fe80::ff:fe00:2";

#[test]
fn everything_is_put_in_place_and_nothing_is_used() {
    let mut world = World::at_site_1();
    let told = world.told;
    assert_eq!(world.prepare(R2, "B"), [INSTALL[0], INSTALL[1], NEXT_HOP]);
    let without = World::at_site_1().advance(1000);
    assert_eq!(world.advance(1000), without);
    // A search at the old place finds nothing wrong with it.
    world.detector.handle_hint(world.now);
    world.ra(R1, "A");
    world.advance(10_000);
    assert_eq!((world.set.as_str(), world.told), ("A*", told));
    assert_eq!(world.prepare(R2, "B"), [NEXT_HOP], "a second time");
}

#[test]
fn packets_go_to_a_planned_router_whose_address_is_that_of_the_old_one() {
    for (router_mac, next_hop) in [
        (Some([0, 2, 3, 4, 5, 6]), "fe80::202:3ff:fe04:506"),
        (None, R1),
    ] {
        let mut world = World::at_site_1();
        let plan = Plan {
            router_mac,
            ..plan(R1, "B")
        };
        let future = world.detector.prepare(world.now, plan).unwrap();
        assert_eq!(future[0].router, Some(next_hop.parse().unwrap()));
    }
}

#[test]
fn a_planned_place_is_used_at_once_and_the_old_one_left() {
    for router in [R1, R2] {
        let mut world = World::at_site_1();
        world.prepare(router, "B");
        let actions = world.arrive();
        assert_eq!(world.set, "B*");
        assert_eq!(world.locator("B").router, Some(router.parse().unwrap()));
        let set = format!("set neighbour {router}");
        assert_eq!(actions[0], set, "{actions:?}");
        for action in LOSE_A {
            assert!(actions.contains(&action.to_owned()), "{actions:?}");
        }
        assert!(actions.contains(&"solicit 2".to_owned()), "{actions:?}");
        let removed = actions.contains(&"remove route fe80::1".to_owned());
        assert_eq!(removed, router != R1, "{actions:?}");
        let confirmed = world.ra(router, "B");
        let expected = [
            format!("uninstall route {router}"),
            "keep 2001:db8:b:0:214:4fff:fe20:ee64".to_owned(),
        ];
        assert_eq!(confirmed[..2], expected);
        world.advance(60_000);
        assert_eq!(world.set, "B*");
    }
}

#[test]
fn an_announcement_of_the_kernel_or_an_advertisement_tells_of_the_arrival_too() {
    let mut world = World::at_site_1();
    world.prepare(R2, "B");
    world.peers_notified();
    assert_eq!(world.set, "B*");
    let mut world = World::at_site_1();
    world.prepare(R2, "B");
    world.ra(R2, "B");
    assert_eq!(world.set, "B*");
    // What comes later is a hint, as ever.
    let actions = world.peers_notified();
    assert!(
        !actions.iter().any(|action| action.starts_with("set")),
        "{actions:?}"
    );
}

#[test]
fn the_entry_of_the_old_router_that_is_removed_puts_no_new_one_in_doubt() {
    let mut world = World::at_site_1();
    let without_mac = Plan {
        router_mac: None,
        ..plan(R1, "B")
    };
    world.detector.prepare(world.now, without_mac).unwrap();
    world.formed("B");
    let actions = world.arrive();
    assert_eq!(actions[0], "remove neighbour fe80::1");
    // So the kernel tells of a removal.
    world.kernel(KernelEvent::NeighbourFailed {
        interface: 2,
        address: R1.parse().unwrap(),
    });
    assert_eq!(world.set, "B*");
    // A router that is not there is noticed by the search.
    world.advance(400);
    assert_eq!(world.set, "B- A-");
}

#[test]
fn a_router_that_says_otherwise_is_right() {
    for (router, planned) in [(R1, R1), (R2, R2), (R1, R2), (R2, R1)] {
        let mut world = World::at_site_1();
        world.prepare(planned, "B");
        world.peers_notified();
        world.advance(10);
        world.ra(router, "C");
        world.formed("C");
        let actions = world.advance(1000);
        assert_eq!(world.set, "C*", "{router} {planned}: {actions:?}");
    }
}

#[test]
fn a_lost_locator_does_not_come_before_one_that_its_router_is_about_to_give_up() {
    let mut world = World::at_site_1();
    world.prepare(R1, "B");
    // Its successor may be on its way, so that the lost one is kept for a moment, and comes last.
    world.heard(2, advertisement(R1, "B", 0));
    assert_eq!(world.set, "B- A-");
    world.ra(R1, "B");
    assert_eq!(world.set, "B*");
}

#[test]
fn an_announcement_that_was_none_is_recovered_from() {
    let mut world = World::at_site_1();
    world.prepare(R2, "B");
    world.peers_notified();
    assert_eq!(world.set, "B*");
    world.advance(10);
    world.ra(R1, "A");
    world.formed("A");
    let actions = world.advance(1000);
    assert_eq!(world.set, "A*");
    assert!(
        actions.contains(&INSTALL[0].replace("install", "uninstall")),
        "{actions:?}"
    );
    assert!(
        actions.contains(&INSTALL[1].replace("install", "uninstall")),
        "{actions:?}"
    );
}

#[test]
fn what_was_put_in_place_is_taken_back() {
    let mut world = World::at_site_1();
    world.prepare(R2, "B");
    world.detector.take_back(world.now);
    let removed = INSTALL.map(|text| text.replace("install", "uninstall"));
    assert_eq!(world.collect(), removed);
    world.peers_notified();
    world.ra(R1, "A");
    assert_eq!(world.set, "A*");
    // Another plan takes the place of one.
    world.prepare(R2, "B");
    let actions = world.prepare(R2, "C");
    assert_eq!(actions[0], removed[0]);
    assert_eq!(actions[1], "install 2001:db8:c:0:214:4fff:fe20:ee64");
    assert_eq!(actions[2..], [NEXT_HOP]);
}

#[test]
fn an_address_from_an_earlier_stay_is_used_and_not_removed() {
    let mut world = World::at_site_1();
    world.peers_notified();
    world.ra(R1, "B");
    world.formed("B");
    world.advance(10_000);
    assert_eq!(world.set, "B*");
    assert_eq!(world.prepare(R1, "A"), ["install route fe80::1", NEXT_HOP]);
    world.arrive();
    assert_eq!(world.set, "A*");
    assert_eq!(world.ra(R1, "A")[0], "uninstall route fe80::1");
    world.advance(10_000);
    assert_eq!(world.set, "A*");
}

#[test]
fn a_host_that_is_nowhere_cannot_be_moved() {
    let mut world = World::new();
    assert!(world.detector.prepare(world.now, plan(R2, "B")).is_err());
    let mut world = World::at_site_1();
    let present = world.detector.prepare(world.now, plan(R2, "A"));
    assert_eq!(present, Ok(Vec::new()));
    assert_eq!(world.collect(), [""; 0]);
    assert_eq!(world.peers_notified(), ["solicit 2", "probe fe80::1"]);
}
