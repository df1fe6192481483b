//! The BPF programs against `ilnp_core::wire`: the same packets go through both, and octets,
//! verdicts and counters must agree.

mod generate;
mod reference;

use std::collections::BTreeMap;

use anyhow::Context as _;
use ilnp_core::drop_reason::DropReason;
use ilnp_core::id::Preference;
use ilnp_core::id::{Handle, HandlePrefix};
use ilnp_core::node::{ClassicFlow, DatapathUpdate, PathEntry, PathLocator, Slot, SlotIndex};
use ilnp_core::time::Instant;
use ilnp_hostd::datapath::{DataPath, DataPathConfig, Program, Tun, Verdict};
use tests::sandbox::Sandbox;

use generate::Generator;
use reference::{Count, Expected, Peer, World};

const PACKETS_EACH: u32 = 8_000;
const SEED: u64 = 0x696c_6e70;

/// A data path without traffic, filled as the world says.
struct Subject {
    data_path: DataPath,
    tun: Tun,
    _runtime: tokio::runtime::Runtime,
    _sandbox: Sandbox,
}

impl Subject {
    fn new(world: &World) -> anyhow::Result<Self> {
        let sandbox = Sandbox::enter()?;
        sandbox.enter_empty_network()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let config = DataPathConfig {
            interface_name: "ilnp0".to_owned(),
            pin_dir: sandbox.pin_dir("ilnp"),
            nid: world.nid,
            handle_prefix: HandlePrefix::DEFAULT,
        };
        let opened = {
            let _inside = runtime.enter();
            DataPath::open(&config)
        };
        let (mut data_path, tun, restored) = opened?;
        anyhow::ensure!(restored.is_empty(), "a new data path holds {restored:?}");
        for update in updates(world, tun.index()) {
            data_path.apply(update)?;
        }
        Ok(Self {
            data_path,
            tun,
            _runtime: runtime,
            _sandbox: sandbox,
        })
    }

    fn check(&mut self, program: Program, packet: &[u8], expected: &Expected) {
        let trial = self
            .data_path
            .try_out(program, packet)
            .unwrap_or_else(|error| panic!("{program:?} on {packet:02x?}: {error:?}"));
        let what = || format!("{program:?} on\n{packet:02x?}");
        assert_eq!(trial.verdict, expected.verdict, "{}", what());
        if trial.verdict != Verdict::Drop {
            assert_eq!(trial.octets, expected.octets, "{}", what());
        }
    }
}

fn updates(world: &World, interface: u32) -> Vec<DatapathUpdate> {
    let slots = slots(world, interface);
    let peers = world
        .peers
        .iter()
        .map(|peer| DatapathUpdate::Correspondent {
            handle: peer.handle,
            entry: Some(Box::new(entry(peer))),
        });
    let flows = world
        .classic
        .iter()
        .map(|&flow| DatapathUpdate::ClassicFlow {
            flow,
            present: true,
        });
    slots.chain(peers).chain(flows).collect()
}

fn slots(world: &World, interface: u32) -> impl Iterator<Item = DatapathUpdate> {
    world.slots.iter().map(move |source| DatapathUpdate::Slot {
        index: SlotIndex(source.index),
        slot: Some(Slot {
            locator: source.locator,
            interface,
            router: Some("fe80::1".parse().expect("an address")),
            planned: source.planned,
        }),
    })
}

fn entry(peer: &Peer) -> PathEntry {
    PathEntry {
        slot: SlotIndex(peer.slot),
        destination: peer.locators[0],
        nonce_out: peer.nonce_out,
        nonce_in: peer.nonce_in,
        locators: peer
            .locators
            .iter()
            .map(|&locator| PathLocator {
                locator,
                preference: Preference(10),
                expires: Instant::from_nanos(u64::MAX),
            })
            .collect(),
    }
}

/// Counts what was expected, to be compared with what the programs counted.
#[derive(Default)]
struct Tally(BTreeMap<Count, u64>);

impl Tally {
    fn add(&mut self, expected: &Expected) {
        for &count in &expected.counts {
            *self.0.entry(count).or_default() += 1;
        }
    }

    fn of(&self, count: Count) -> u64 {
        self.0.get(&count).copied().unwrap_or(0)
    }
}

#[test]
fn bpf_programs_agree_with_the_reference() -> anyhow::Result<()> {
    let start = World::new();
    let mut world = World::new();
    let mut subject = Subject::new(&world)?;
    let mut generator = Generator::new(&start, SEED);
    let mut tally = Tally::default();
    let mut arrivals = 0;
    for _ in 0..PACKETS_EACH {
        if world.slots != start.slots {
            arrivals += 1;
            world.slots.clone_from(&start.slots);
            for slot in slots(&start, subject.tun.index()) {
                subject.data_path.apply(slot)?;
            }
        }
        let frame = generator.frame();
        let expected = world.incoming(&frame);
        subject.check(Program::In, &frame, &expected);
        tally.add(&expected);

        let packet = generator.outbound();
        let expected = world.out(&packet);
        subject.check(Program::Out, &packet, &expected);
        tally.add(&expected);

        let packet = generator.injected();
        let expected = world.inject(&packet);
        subject.check(Program::Inject, &packet, &expected);
        tally.add(&expected);

        let frame = generator.leaving();
        let expected = world.guard(&frame);
        subject.check(Program::Guard, &frame, &expected);
        tally.add(&expected);
    }
    let counters = subject.data_path.counters()?;
    assert_eq!(counters.translated_out, tally.of(Count::TranslatedOut));
    assert_eq!(counters.translated_in, tally.of(Count::TranslatedIn));
    assert_eq!(counters.to_daemon, tally.of(Count::ToDaemon));
    assert_eq!(counters.injected, tally.of(Count::Injected));
    for &reason in DropReason::ALL {
        let counted = counters.drops.get(&reason).copied().unwrap_or(0);
        assert_eq!(counted, tally.of(Count::Drop(reason)), "{reason}");
    }
    // The generator would be worthless if all of them went one way.
    assert!(arrivals > 100, "only {arrivals} arrivals");
    for count in [
        Count::TranslatedOut,
        Count::TranslatedIn,
        Count::ToDaemon,
        Count::Injected,
        Count::Drop(DropReason::HandleOnWire),
        Count::Drop(DropReason::NonceToMulticast),
    ] {
        assert!(
            tally.of(count) > 100,
            "only {} of {count:?}",
            tally.of(count)
        );
    }
    Ok(())
}

#[test]
fn tables_keep_what_was_written_and_answer_for_it() -> anyhow::Result<()> {
    let world = World::new();
    let mut subject = Subject::new(&world)?;
    let known = world.peers[0].handle;
    let answer = subject
        .data_path
        .apply(DatapathUpdate::ReadActivity(known))?;
    let Some(ilnp_core::node::Input::Activity {
        handle,
        activity: Some(activity),
    }) = answer
    else {
        anyhow::bail!("no activity: {answer:?}");
    };
    assert_eq!(handle, known);
    assert!(activity.sent > Instant::ZERO && activity.heard > Instant::ZERO);

    let flow: ClassicFlow = world.classic[0];
    let packet = reference::classic_frame(&flow);
    let verdict = |subject: &mut Subject| {
        subject
            .data_path
            .try_out(Program::In, &packet)
            .map(|trial| trial.verdict)
    };
    assert_eq!(verdict(&mut subject)?, Verdict::Redirect);
    for &flow in &world.classic {
        let gone = DatapathUpdate::ClassicFlow {
            flow,
            present: false,
        };
        subject.data_path.apply(gone)?;
    }
    assert_eq!(verdict(&mut subject)?, Verdict::Pass);

    let gone = DatapathUpdate::Correspondent {
        handle: known,
        entry: None,
    };
    subject.data_path.apply(gone.clone())?;
    subject.data_path.apply(gone).context("removing twice")?;
    let answer = subject
        .data_path
        .apply(DatapathUpdate::ReadActivity(known))?;
    let none = ilnp_core::node::Input::Activity {
        handle: known,
        activity: None,
    };
    assert_eq!(answer, Some(none));

    let slot = DatapathUpdate::Slot {
        index: SlotIndex(16),
        slot: None,
    };
    assert!(subject.data_path.apply(slot).is_err());
    let stranger = Handle::new(ilnp_core::id::Nid::from_bits(1 << 40));
    subject.data_path.apply(DatapathUpdate::Correspondent {
        handle: stranger,
        entry: None,
    })?;
    Ok(())
}
