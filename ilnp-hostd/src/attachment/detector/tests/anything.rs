//! Floods, and whatever else may come in.

use ilnp_core::id::IlVector;
use ilnp_core::node::LocatorHealth;
use proptest::prelude::*;

use super::world::{R1, World, address, advertisement, link, ours};
use crate::kernel::{KernelEvent, Link, Snapshot};

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
