//! A host that news can be told to, in short texts.

use std::net::Ipv6Addr;
use std::time::Duration;

use ilnp_core::id::Locator;
use ilnp_core::node::{LinkEvent, LocalLocator, LocatorHealth};
use ilnp_core::time::Instant;

use crate::attachment::{Action, AttachmentEvent, Config, Detector, Piece};
use crate::kernel::discovery::{Advertisement, Heard, HeardMessage, PrefixInformation};
use crate::kernel::{Address, KernelEvent, Link, Snapshot};

pub(super) const NID: &str = "0214:4fff:fe20:ee64";
pub(super) const R1: &str = "fe80::1";
pub(super) const R2: &str = "fe80::2";

/// A detector with a clock, and short texts for what goes in and comes out.
pub(super) struct World {
    pub(super) detector: Detector,
    pub(super) now: Instant,
    /// Prefixes with `*` for working and `-` for leaving: `A* B-`.
    pub(super) set: String,
    pub(super) told: usize,
    pub(super) interfaces: Vec<String>,
}

impl World {
    /// A host with `eth0` (index 2), plugged in, with a link-local address.
    pub(super) fn new() -> Self {
        Self::with_interfaces(None)
    }

    pub(super) fn with_interfaces(interfaces: Option<Vec<String>>) -> Self {
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
    pub(super) fn at_site_1() -> Self {
        let mut world = Self::new();
        world.ra(R1, "A");
        world.formed("A");
        world.advance(1_000);
        assert_eq!(world.set, "A*");
        world
    }

    /// Also plugged into site 2 with `eth1` (index 3).
    pub(super) fn at_both_sites() -> Self {
        let mut world = Self::at_site_1();
        world.link(link(3, "eth1"));
        world.kernel(KernelEvent::Address(address(3, "fe80::9")));
        world.ra_on(3, R2, "B");
        world.kernel(KernelEvent::Address(address(3, &ours("B"))));
        world.advance(1_000);
        assert_eq!(world.set, "A* B*");
        world
    }

    pub(super) fn kernel(&mut self, event: KernelEvent) -> Vec<String> {
        self.detector.handle_kernel(self.now, event);
        self.collect()
    }

    pub(super) fn link(&mut self, link: Link) -> Vec<String> {
        let peers_notified = false;
        self.kernel(KernelEvent::Link {
            link,
            peers_notified,
        })
    }

    pub(super) fn carrier(&mut self, carrier: bool) -> Vec<String> {
        let carrier_ups = Some(1);
        self.link(Link {
            carrier,
            carrier_ups,
            ..link(2, "eth0")
        })
    }

    pub(super) fn peers_notified(&mut self) -> Vec<String> {
        self.kernel(KernelEvent::Link {
            link: link(2, "eth0"),
            peers_notified: true,
        })
    }

    /// An advertisement with these prefixes, each a letter; `a` withdraws `A`.
    pub(super) fn ra(&mut self, router: &str, prefixes: &str) -> Vec<String> {
        self.ra_on(2, router, prefixes)
    }

    pub(super) fn ra_on(&mut self, interface: u32, router: &str, prefixes: &str) -> Vec<String> {
        self.heard(interface, advertisement(router, prefixes, 1800))
    }

    pub(super) fn heard(&mut self, interface: u32, advertisement: Advertisement) -> Vec<String> {
        let message = HeardMessage::Advertisement(advertisement);
        let heard = Heard { interface, message };
        self.detector.handle_heard(self.now, &heard);
        self.collect()
    }

    pub(super) fn answer(&mut self, router: &str) -> Vec<String> {
        let heard = Heard {
            interface: 2,
            message: HeardMessage::Answer(router.parse().unwrap()),
        };
        self.detector.handle_heard(self.now, &heard);
        self.collect()
    }

    /// The kernel formed our address from this prefix.
    pub(super) fn formed(&mut self, prefix: &str) -> Vec<String> {
        self.kernel(KernelEvent::Address(address(2, &ours(prefix))))
    }

    /// Lets time pass, waking the detector when it asks for it.
    pub(super) fn advance(&mut self, millis: u64) -> Vec<String> {
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
    pub(super) fn collect(&mut self) -> Vec<String> {
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
                AttachmentEvent::Noticed { .. } => self.told -= 1,
            }
        }
        std::iter::from_fn(|| self.detector.poll_action())
            .map(|action| action_text(&action))
            .collect()
    }

    pub(super) fn locator(&self, prefix: &str) -> &LocalLocator {
        let found = self
            .detector
            .locators
            .iter()
            .find(|known| known.locator == locator(prefix));
        found.unwrap_or_else(|| panic!("{prefix} is not in {:?}", self.set))
    }
}

pub(super) fn link(index: u32, name: &str) -> Link {
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
pub(super) fn locator(prefix: &str) -> Locator {
    format!("2001:db8:{}::/64", prefix.to_lowercase())
        .parse()
        .unwrap()
}

pub(super) fn ours(prefix: &str) -> String {
    format!("2001:db8:{}:0:214:4fff:fe20:ee64", prefix.to_lowercase())
}

pub(super) fn address(interface: u32, text: &str) -> Address {
    let address: Ipv6Addr = text.parse().unwrap();
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

pub(super) fn advertisement(router: &str, prefixes: &str, lifetime: u64) -> Advertisement {
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

pub(super) fn text(locator: &LocalLocator) -> String {
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

pub(super) fn action_text(action: &Action) -> String {
    match action {
        Action::Prepare {
            name, set_token, ..
        } => format!("prepare {name} {set_token}"),
        Action::Solicit(from) => format!("solicit {}", from.interface),
        Action::Probe { router, .. } => format!("probe {router}"),
        Action::RemoveDefaultRoute { router, .. } => format!("remove route {router}"),
        Action::RemoveNeighbour { router, .. } => format!("remove neighbour {router}"),
        Action::RemoveOnLinkRoute { prefix, .. } => format!("remove {prefix}"),
        Action::SetNeighbour { address, .. } => format!("set neighbour {address}"),
        Action::Install { piece, .. } => format!("install {}", piece_text(*piece)),
        Action::Uninstall { piece, .. } => format!("uninstall {}", piece_text(*piece)),
        Action::Keep { piece, .. } => format!("keep {}", piece_text(*piece)),
        Action::ChangeLifetime { address, lifetime } => format!(
            "{} preferred {} valid {}",
            address.address,
            lifetime.preferred.as_secs(),
            lifetime.valid.as_secs()
        ),
    }
}

fn piece_text(piece: Piece) -> String {
    match piece {
        Piece::Address(address) => address.to_string(),
        Piece::DefaultRoute(router) => format!("route {router}"),
    }
}

/// What is done when prefix A is lost.
pub(super) const LOSE_A: [&str; 2] = [
    "remove 2001:db8:a::/64",
    "2001:db8:a:0:214:4fff:fe20:ee64 preferred 0 valid 299",
];
