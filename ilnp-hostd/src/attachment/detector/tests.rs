//! Moves and other news as tables: what comes in, what is asked for, which Locators there are.

use std::time::Duration;

use ilnp_core::id::Locator;
use ilnp_core::node::LocatorHealth;
use proptest::prelude::*;

use super::*;
use crate::kernel::discovery::{Advertisement, PrefixInformation};

const NID: &str = "0214:4fff:fe20:ee64";
const R1: &str = "fe80::1";
const R2: &str = "fe80::2";

/// A detector with a clock, and short texts for what goes in and comes out.
struct World {
    detector: Detector,
    now: Instant,
    /// Prefixes with `*` for working and `-` for leaving: `A* B-`.
    set: String,
    told: usize,
    interfaces: Vec<String>,
}

impl World {
    /// A host with `eth0` (index 2), plugged in, with a link-local address.
    fn new() -> Self {
        Self::with_interfaces(None)
    }

    fn with_interfaces(interfaces: Option<Vec<String>>) -> Self {
        let config = Config {
            nid: NID.parse().unwrap(),
            interfaces,
            ilnp_interface: "ilnp0".into(),
        };
        let mut world = Self {
            detector: Detector::new(config),
            now: Instant::from_nanos(1_000_000_000_000),
            set: String::new(),
            told: 0,
            interfaces: Vec::new(),
        };
        let snapshot = Snapshot {
            links: vec![link(2, "eth0")],
            addresses: vec![address(2, "fe80::9")],
            default_routes: Vec::new(),
        };
        world.kernel(KernelEvent::Snapshot(snapshot));
        world
    }

    /// At site 1: its router was heard, the address formed, and the first search is over.
    fn at_site_1() -> Self {
        let mut world = Self::new();
        world.ra(R1, "A");
        world.formed("A");
        world.advance(1_000);
        assert_eq!(world.set, "A*");
        world
    }

    /// Also plugged into site 2 with `eth1` (index 3).
    fn at_both_sites() -> Self {
        let mut world = Self::at_site_1();
        world.link(link(3, "eth1"));
        world.kernel(KernelEvent::Address(address(3, "fe80::9")));
        world.ra_on(3, R2, "B");
        world.kernel(KernelEvent::Address(address(3, &ours("B"))));
        world.advance(1_000);
        assert_eq!(world.set, "A* B*");
        world
    }

    fn kernel(&mut self, event: KernelEvent) -> Vec<String> {
        self.detector.handle_kernel(self.now, event);
        self.collect()
    }

    fn link(&mut self, link: Link) -> Vec<String> {
        let peers_notified = false;
        self.kernel(KernelEvent::Link {
            link,
            peers_notified,
        })
    }

    fn carrier(&mut self, carrier: bool) -> Vec<String> {
        let carrier_ups = Some(1);
        self.link(Link {
            carrier,
            carrier_ups,
            ..link(2, "eth0")
        })
    }

    fn peers_notified(&mut self) -> Vec<String> {
        self.kernel(KernelEvent::Link {
            link: link(2, "eth0"),
            peers_notified: true,
        })
    }

    /// An advertisement with these prefixes, each a letter; `a` withdraws `A`.
    fn ra(&mut self, router: &str, prefixes: &str) -> Vec<String> {
        self.ra_on(2, router, prefixes)
    }

    fn ra_on(&mut self, interface: u32, router: &str, prefixes: &str) -> Vec<String> {
        self.heard(interface, advertisement(router, prefixes, 1800))
    }

    fn heard(&mut self, interface: u32, advertisement: Advertisement) -> Vec<String> {
        let message = HeardMessage::Advertisement(advertisement);
        let heard = Heard { interface, message };
        self.detector.handle_heard(self.now, &heard);
        self.collect()
    }

    fn answer(&mut self, router: &str) -> Vec<String> {
        let heard = Heard {
            interface: 2,
            message: HeardMessage::Answer(router.parse().unwrap()),
        };
        self.detector.handle_heard(self.now, &heard);
        self.collect()
    }

    /// The kernel formed our address from this prefix.
    fn formed(&mut self, prefix: &str) -> Vec<String> {
        self.kernel(KernelEvent::Address(address(2, &ours(prefix))))
    }

    /// Lets time pass, waking the detector when it asks for it.
    fn advance(&mut self, millis: u64) -> Vec<String> {
        let end = self.now + Duration::from_millis(millis);
        let mut actions = Vec::new();
        for wake in 0.. {
            assert!(wake < 1_000, "the detector asks to be woken all the time");
            match self.detector.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.detector.handle_timeout(self.now);
                    actions.extend(self.collect());
                }
                _ => break,
            }
        }
        self.now = end;
        actions
    }

    /// Takes events in and returns the actions as texts.
    fn collect(&mut self) -> Vec<String> {
        while let Some(event) = self.detector.poll_event() {
            self.told += 1;
            match event {
                AttachmentEvent::Link(LinkEvent::Locators(locators)) => {
                    let texts: Vec<_> = locators.iter().map(text).collect();
                    self.set = texts.join(" ");
                }
                AttachmentEvent::InterfaceUsed { name, mtu, .. } => {
                    self.interfaces.push(format!("{name} {mtu}"));
                }
                AttachmentEvent::InterfaceGone { index } => {
                    self.interfaces.push(format!("{index} gone"));
                }
            }
        }
        std::iter::from_fn(|| self.detector.poll_action())
            .map(|action| action_text(&action))
            .collect()
    }

    fn locator(&self, prefix: &str) -> &LocalLocator {
        let found = self
            .detector
            .locators
            .iter()
            .find(|known| known.locator == locator(prefix));
        found.unwrap_or_else(|| panic!("{prefix} is not in {:?}", self.set))
    }
}

fn link(index: u32, name: &str) -> Link {
    Link {
        index,
        name: name.into(),
        ethernet: true,
        up: true,
        carrier: true,
        carrier_ups: Some(1),
        mtu: 1500,
        mac: Some([2, 0, 0, 0, 0, 9]),
        token: None,
    }
}

/// `A` is 2001:db8:a::/64.
fn locator(prefix: &str) -> Locator {
    format!("2001:db8:{}::/64", prefix.to_lowercase())
        .parse()
        .unwrap()
}

fn ours(prefix: &str) -> String {
    format!("2001:db8:{}:0:214:4fff:fe20:ee64", prefix.to_lowercase())
}

fn address(interface: u32, text: &str) -> Address {
    let address: std::net::Ipv6Addr = text.parse().unwrap();
    Address {
        interface,
        address,
        prefix_length: 64,
        global: !address.is_unicast_link_local(),
        tentative: false,
        optimistic: false,
        duplicate: false,
        deprecated: false,
        permanent: false,
        advertised: true,
        temporary: false,
        makes_temporary: false,
        valid: Some(Duration::from_secs(300)),
    }
}

fn advertisement(router: &str, prefixes: &str, lifetime: u64) -> Advertisement {
    let prefixes = prefixes.chars().map(|letter| {
        let valid = if letter.is_lowercase() { 0 } else { 300 };
        PrefixInformation {
            prefix: locator(&letter.to_string()),
            autonomous: true,
            valid: Some(Duration::from_secs(valid)),
            preferred: Some(Duration::from_secs(valid)),
        }
    });
    Advertisement {
        router: router.parse().unwrap(),
        lifetime: Duration::from_secs(lifetime),
        mac: Some([2, 0, 0, 0, 0, 1]),
        mtu: None,
        prefixes: prefixes.collect(),
    }
}

fn text(locator: &LocalLocator) -> String {
    let prefix = locator.locator.to_string();
    let letter = prefix
        .trim_start_matches("2001:db8:")
        .trim_end_matches("::/64");
    let health = match locator.health {
        LocatorHealth::Working => '*',
        LocatorHealth::Leaving => '-',
    };
    format!("{}{health}", letter.to_uppercase())
}

fn action_text(action: &Action) -> String {
    match action {
        Action::Prepare {
            name, set_token, ..
        } => format!("prepare {name} {set_token}"),
        Action::Solicit(from) => format!("solicit {}", from.interface),
        Action::Probe { router, .. } => format!("probe {router}"),
        Action::RemoveDefaultRoute { router, .. } => format!("remove route {router}"),
        Action::RemoveNeighbour { router, .. } => format!("remove neighbour {router}"),
        Action::RemoveOnLinkRoute { prefix, .. } => format!("remove {prefix}"),
        Action::ChangeLifetime { address, lifetime } => format!(
            "{} preferred {} valid {}",
            address.address,
            lifetime.preferred.as_secs(),
            lifetime.valid.as_secs()
        ),
    }
}

const LOSE_A: [&str; 2] = [
    "remove 2001:db8:a::/64",
    "2001:db8:a:0:214:4fff:fe20:ee64 preferred 0 valid 299",
];

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

/// What an address must be like to make a Locator.
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
    assert_eq!(world.peers_notified()[..1], ["solicit 2"]);
    let mut world = World::at_site_1();
    world.carrier(false);
    world.detector.handle_hint(world.now);
    assert_eq!(world.collect(), [""; 0]);
    assert_eq!(world.advance(60_000), [""; 0]);
}

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
    assert_eq!(world.set, "A-");
    world.formed("B");
    assert_eq!(world.set, "B* A-");
    let actions = world.advance(400);
    let expected = [
        &["probe fe80::1", "probe fe80::1"][..],
        &["remove route fe80::1", "remove neighbour fe80::1"],
        &LOSE_A[..1],
    ]
    .concat();
    assert_eq!(actions[..5], expected);
    assert_eq!(world.set, "B*");
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
fn a_missing_router_is_asked_for_ever_more_slowly() {
    let mut world = World::at_site_1();
    world.peers_notified();
    let solicitations = world.advance(600_000);
    let count = solicitations.iter().filter(|it| *it == "solicit 2").count();
    assert!((10..25).contains(&count), "{count}");
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

#[test]
fn addresses_from_before_the_token_are_prolonged() {
    let mut world = World::at_site_1();
    world.kernel(KernelEvent::Address(address(2, "2001:db8:a::5")));
    assert_eq!(world.ra(R1, "A"), [""; 0]);
    world.advance(100_000);
    assert_eq!(world.ra(R1, "A"), ["2001:db8:a::5 preferred 300 valid 300"]);
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

#[test]
fn a_flood_of_changing_advertisements_is_answered_with_little() {
    let mut world = World::at_site_1();
    let mut actions = 0;
    for n in 0..1_000 {
        world.advance(10);
        let router = format!("fe80::{:x}", n % 50);
        let prefix = ["A", "B", "C", "D", "E"][n % 5];
        actions += world.ra(&router, prefix).len();
    }
    // Ten seconds, a thousand advertisements of fifty routers.
    assert!(actions < 600, "{actions} actions");
}

/// Anything that can come in.
#[derive(Clone, Debug)]
enum News {
    Link {
        index: u32,
        carrier: bool,
        announced: bool,
    },
    LinkGone(u32),
    Address {
        index: u32,
        prefix: char,
        flags: u8,
        gone: bool,
    },
    Ra {
        index: u32,
        router: u16,
        prefixes: String,
        lifetime: u64,
    },
    Answer(u16),
    Failed(u16),
    Hint,
    Snapshot(bool),
    Wait(u64),
}

fn news() -> impl Strategy<Value = News> {
    let index = 2u32..5;
    prop_oneof![
        (index.clone(), any::<bool>(), any::<bool>()).prop_map(|(index, carrier, announced)| {
            News::Link {
                index,
                carrier,
                announced,
            }
        }),
        index.clone().prop_map(News::LinkGone),
        (
            index.clone(),
            prop::char::range('A', 'F'),
            any::<u8>(),
            any::<bool>()
        )
            .prop_map(|(index, prefix, flags, gone)| News::Address {
                index,
                prefix,
                flags,
                gone
            }),
        (index, 1u16..30, "[A-Fa-f]{0,6}", 0u64..20).prop_map(
            |(index, router, prefixes, lifetime)| News::Ra {
                index,
                router,
                prefixes,
                lifetime
            }
        ),
        (1u16..30).prop_map(News::Answer),
        (1u16..30).prop_map(News::Failed),
        Just(News::Hint),
        any::<bool>().prop_map(News::Snapshot),
        (0u64..100_000).prop_map(News::Wait),
    ]
}

fn happen(world: &mut World, news: News) -> Vec<String> {
    let router = |n: u16| format!("fe80::{n:x}");
    match news {
        News::Link {
            index,
            carrier,
            announced,
        } => world.kernel(KernelEvent::Link {
            link: Link {
                carrier,
                ..link(index, &format!("eth{index}"))
            },
            peers_notified: announced,
        }),
        News::LinkGone(interface) => world.kernel(KernelEvent::LinkGone { interface }),
        News::Address {
            index,
            prefix,
            flags,
            gone,
        } => {
            let bit = |n: u8| flags & (1 << n) != 0;
            let mut known = address(index, &ours(&prefix.to_string()));
            (known.tentative, known.optimistic) = (bit(0), bit(1));
            (known.duplicate, known.deprecated) = (bit(2) && bit(3), bit(4));
            if bit(5) {
                known.address = "fe80::9".parse().unwrap();
                known.global = false;
            }
            if bit(6) {
                known.valid = None;
                known.permanent = true;
            }
            world.kernel(if gone {
                KernelEvent::AddressGone(known)
            } else {
                KernelEvent::Address(known)
            })
        }
        News::Ra {
            index,
            router: from,
            prefixes,
            lifetime,
        } => world.heard(index, advertisement(&router(from), &prefixes, lifetime)),
        News::Answer(from) => world.answer(&router(from)),
        News::Failed(from) => world.kernel(KernelEvent::NeighbourFailed {
            interface: 2,
            address: router(from).parse().unwrap(),
        }),
        News::Hint => {
            world.detector.handle_hint(world.now);
            world.collect()
        }
        News::Snapshot(full) => {
            let full = full.then(|| Snapshot {
                links: vec![link(2, "eth2"), link(3, "eth3")],
                addresses: vec![address(2, "fe80::9"), address(2, &ours("A"))],
                default_routes: vec![(2, R1.parse().unwrap())],
            });
            world.kernel(KernelEvent::Snapshot(full.unwrap_or_default()))
        }
        News::Wait(millis) => world.advance(millis),
    }
}

proptest! {
    /// Whatever happens, little is asked for at a time, little is kept, and a Locator that is said to
    /// work has an address that can be used.
    #[test]
    fn stays_small_and_true(events in prop::collection::vec(news(), 0..150)) {
        let mut world = World::new();
        for event in events {
            let waited = matches!(event, News::Wait(_));
            let actions = happen(&mut world, event);
            prop_assert!(waited || actions.len() <= 64, "{} actions", actions.len());
            for interface in world.detector.interfaces.values() {
                prop_assert!(interface.routers.len() <= 16);
                prop_assert!(interface.addresses.len() <= 64);
                prop_assert!(interface.lost.len() <= 6);
                prop_assert!(interface.duplicates.len() <= 6);
            }
            for told in &world.detector.locators {
                let interface = &world.detector.interfaces[&told.interface];
                let usable = interface.addresses.values().any(|known| {
                    IlVector::from(known.address.address).locator == told.locator
                        && known.address.is_usable()
                });
                prop_assert!(usable, "{told:?}");
                let has_carrier = interface.link.carrier;
                prop_assert!(has_carrier || told.health == LocatorHealth::Leaving);
            }
            if let Some(at) = world.detector.poll_timeout() {
                prop_assert!(waited || at >= world.now);
            }
        }
    }
}
