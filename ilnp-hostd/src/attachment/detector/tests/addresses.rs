//! Interfaces and addresses that bear Locators, or do not.

use super::world::{NID, R1, World, address, link, ours};
use crate::kernel::{Address, KernelEvent, Link, Snapshot};

#[test]
fn uses_an_interface_as_soon_as_a_prefix_is_advertised_there() {
    let mut world = World::new();
    assert_eq!(world.interfaces, [""; 0]);
    assert_eq!(world.ra(R1, "A"), ["prepare eth0 true", "solicit 2"]);
    assert_eq!(world.interfaces, ["eth0 1500"]);
    assert_eq!(world.set, "");
    world.formed("A");
    assert_eq!(world.set, "A*");
    assert_eq!(world.locator("A").router, Some(R1.parse().unwrap()));
}

#[test]
fn uses_only_the_interfaces_that_it_may() {
    let mut world = World::with_interfaces(Some(vec!["eth1".into()]));
    world.ra(R1, "A");
    world.formed("A");
    assert_eq!((world.set.as_str(), world.interfaces.len()), ("", 0));
    assert_eq!(world.link(link(3, "eth1")), ["prepare eth1 true"]);
    let mut world = World::new();
    for unfit in [
        link(3, "ilnp0"),
        Link {
            ethernet: false,
            ..link(3, "ppp0")
        },
    ] {
        world.link(unfit);
        world.ra_on(3, R1, "A");
        world.kernel(KernelEvent::Address(address(3, &ours("A"))));
        assert_eq!((world.set.as_str(), world.interfaces.len()), ("", 0));
    }
}

#[test]
fn a_token_that_is_there_is_not_set_again() {
    let token = Some(NID.parse().unwrap());
    let mut world = World::new();
    world.link(Link {
        token,
        ..link(2, "eth0")
    });
    assert_eq!(world.ra(R1, "A")[0], "prepare eth0 false");
    // Something took it away: a device that was made anew, or a user.
    assert_eq!(world.link(link(2, "eth0")), ["prepare eth0 true"]);
}

#[test]
fn only_usable_addresses_make_a_locator() {
    type Change = fn(&mut Address);
    let table: [(&str, Change, &str); 8] = [
        ("plain", |_| {}, "A*"),
        ("static", |it| it.permanent = true, "A*"),
        ("tentative", |it| it.tentative = true, ""),
        (
            "optimistic",
            |it| (it.tentative, it.optimistic) = (true, true),
            "A*",
        ),
        ("duplicate", |it| it.duplicate = true, ""),
        ("deprecated", |it| it.deprecated = true, "A-"),
        ("not global", |it| it.global = false, ""),
        (
            "of another identifier",
            |it| it.address = "2001:db8:a::5".parse().unwrap(),
            "",
        ),
    ];
    for (what, change, set) in table {
        let mut world = World::new();
        world.ra(R1, "A");
        let mut known = address(2, &ours("A"));
        change(&mut known);
        world.kernel(KernelEvent::Address(known));
        assert_eq!(world.set, set, "{what}");
    }
}

#[test]
fn what_is_gone_is_not_told() {
    let mut world = World::at_site_1();
    world.kernel(KernelEvent::AddressGone(address(2, &ours("A"))));
    assert_eq!(world.set, "");
    let mut world = World::at_both_sites();
    world.kernel(KernelEvent::LinkGone { interface: 2 });
    assert_eq!(world.set, "B*");
    assert_eq!(world.interfaces, ["eth0 1500", "eth1 1500", "2 gone"]);
    world.kernel(KernelEvent::Snapshot(Snapshot::default()));
    assert_eq!(world.set, "");
}

#[test]
fn another_nodes_defence_ends_the_use_of_a_locator() {
    let mut world = World::at_site_1();
    world.carrier(false);
    world.carrier(true);
    world.ra(R1, "B");
    let optimistic = Address {
        tentative: true,
        optimistic: true,
        ..address(2, &ours("B"))
    };
    world.kernel(KernelEvent::Address(optimistic.clone()));
    assert_eq!(world.set, "B*");
    world.kernel(KernelEvent::AddressGone(Address {
        duplicate: true,
        ..optimistic
    }));
    world.advance(3_000);
    assert_eq!(world.set, "");
    // The kernel tries again with each advertisement; only a check that was passed counts.
    world.kernel(KernelEvent::Address(optimistic));
    assert_eq!(world.set, "");
    world.formed("B");
    assert_eq!(world.set, "B*");
}

#[test]
fn a_static_locator_needs_no_router_and_survives_advertisements() {
    let mut world = World::with_interfaces(Some(vec!["eth0".into()]));
    world.kernel(KernelEvent::Address(Address {
        permanent: true,
        advertised: false,
        valid: None,
        ..address(2, &ours("C"))
    }));
    assert_eq!(world.set, "C*");
    world.peers_notified();
    world.ra(R1, "A");
    world.formed("A");
    world.advance(10_000);
    assert_eq!(world.set, "A* C*");
    assert_eq!(world.locator("C").router, None);
}

#[test]
fn a_snapshot_brings_what_was_missed() {
    let mut world = World::at_site_1();
    world.kernel(KernelEvent::Snapshot(Snapshot {
        links: vec![link(2, "eth0")],
        addresses: vec![address(2, "fe80::9"), address(2, &ours("B"))],
        default_routes: Vec::new(),
    }));
    assert_eq!(world.set, "B*");
}
