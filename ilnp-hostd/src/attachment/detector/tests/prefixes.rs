//! What routers say of prefixes, lifetimes and MTUs.

use super::world::{LOSE_A, R1, R2, World, address, advertisement};
use crate::kernel::KernelEvent;
use crate::kernel::discovery::Advertisement;

#[test]
fn a_withdrawn_prefix_is_lost() {
    let mut world = World::at_site_1();
    assert_eq!(world.ra(R1, "aB")[..2], LOSE_A);
    world.formed("B");
    assert_eq!(world.set, "B*");
}

#[test]
fn a_prefix_stays_while_another_router_advertises_it() {
    let mut world = World::at_site_1();
    world.ra(R2, "A");
    world.answer(R1);
    world.advance(1_000);
    world.ra(R1, "a");
    assert_eq!(world.set, "A*");
    assert_eq!(world.locator("A").router, Some(R2.parse().unwrap()));
}

#[test]
fn without_a_default_router_a_locator_leaves() {
    let mut world = World::at_site_1();
    world.heard(2, advertisement(R1, "A", 0));
    assert_eq!(world.set, "A-");
    assert_eq!(world.locator("A").router, None);
    // Or when its lifetime passes in silence.
    let mut world = World::at_site_1();
    world.heard(2, advertisement(R1, "A", 9));
    world.advance(8_999);
    assert_eq!(world.set, "A*");
    world.advance(1);
    assert_eq!(world.set, "A-");
}

#[test]
fn addresses_from_before_the_token_are_prolonged() {
    let mut world = World::at_site_1();
    world.kernel(KernelEvent::Address(address(2, "2001:db8:a::5")));
    assert_eq!(world.ra(R1, "A"), [""; 0]);
    world.advance(100_000);
    assert_eq!(world.ra(R1, "A"), ["2001:db8:a::5 preferred 300 valid 300"]);
}

#[test]
fn the_mtu_is_that_of_the_link_or_what_the_router_says() {
    let mut world = World::at_site_1();
    let with_mtu = |mtu| Advertisement {
        mtu: Some(mtu),
        ..advertisement(R1, "A", 1800)
    };
    for (advertised, mtu) in [(1400, 1400), (9000, 1500), (1000, 1500)] {
        world.heard(2, with_mtu(advertised));
        assert_eq!(world.locator("A").mtu, mtu);
    }
    assert_eq!(world.interfaces, ["eth0 1500", "eth0 1400", "eth0 1500"]);
}

#[test]
fn refreshed_lifetimes_are_no_news() {
    let mut world = World::at_site_1();
    let told = world.told;
    for _ in 0..40 {
        world.advance(3_000);
        world.ra(R1, "A");
        world.formed("A");
    }
    assert!(world.told <= told + 1, "{} events", world.told - told);
}
