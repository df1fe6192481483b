//! For how long nothing arrives after a hard handoff, as tables of numbers.
//!
//! Both ends of a pair send a numbered datagram every millisecond, or the correspondent alone does.
//! The host moves, and the first datagram that reaches it then ends the outage. Each cell has
//! median/longest in milliseconds, by the first retransmission timer of Locator Updates, the
//! round-trip time, and the share of the Locator Updates and acknowledgements that is lost. The
//! tables are kept as snapshots: whatever changes how a handoff goes changes a number.

use std::fmt::Write as _;
use std::time::Duration;

use ilnp_core::sim::link::{Conditions, Fate, Link};
use ilnp_core::sim::{Pair, Settings, Verdict};

use super::support::*;

const SEEDS: u64 = 9;
const ROUND_TRIPS: [u64; 4] = [10, 50, 100, 200];
const LOSSES: [u32; 4] = [0, 10, 30, 50];

/// One handoff.
#[derive(Clone, Copy)]
struct Case {
    round_trip: Duration,
    /// Share of the Locator Updates that is lost.
    loss: f64,
    first_try: Duration,
    /// Whether the host that moves sends datagrams too.
    mover_sends: bool,
    seed: u64,
}

impl Case {
    fn pair(self) -> Pair {
        let mut settings = Settings {
            round_trip: self.round_trip,
            seed: self.seed,
            ..Settings::default()
        };
        settings.mobile.timers.update_first = self.first_try;
        let mut pair = Pair::new(settings);
        let conditions = Conditions {
            loss: self.loss,
            ..Conditions::default()
        };
        let mut chance = Link::new(conditions, self.seed);
        pair.world.filter(move |now, octets| {
            if update(octets).is_some() && chance.send(now, octets.clone()) == Fate::Lost {
                return Verdict::Drop;
            }
            Verdict::Pass
        });
        pair
    }

    /// How long nothing reached the mover.
    fn run(self) -> Duration {
        let mut pair = self.pair();
        pair.world.introduce(pair.fixed, pair.mobile);
        let there = pair.world.stream(pair.fixed, pair.mobile, MS);
        pair.world.run_for(self.round_trip * 3);
        if self.mover_sends {
            pair.world.stream_back(&there, MS);
        }
        pair.world.run_for(self.round_trip * 3);
        let last = pair.world.received(&there).unwrap().progress().last();
        let moved = pair.world.now();
        pair.world.move_to(pair.mobile, pair.b);
        let resumed = pair.world.drive_until(SECOND * 300, |world| {
            world.received(&there).unwrap().progress().last() > moved
        });
        assert!(resumed.is_some(), "it never came back");
        pair.world.now() - last
    }
}

/// `median/max` in milliseconds over the seeds.
fn cell(case: Case) -> String {
    let mut outages: Vec<_> = (1..=SEEDS)
        .map(|seed| Case { seed, ..case }.run().as_millis())
        .collect();
    outages.sort_unstable();
    let median = outages[outages.len() / 2];
    format!("{median}/{}", outages[outages.len() - 1])
}

fn table(mover_sends: bool, first_tries: &[u64]) -> String {
    let mut table = String::from("first try  RTT     loss");
    for loss in LOSSES {
        write!(table, "{:>12}", format!("{loss} %")).unwrap();
    }
    for &first_try in first_tries {
        for round_trip in ROUND_TRIPS {
            write!(table, "\n{first_try:>6} ms {round_trip:>4} ms       ").unwrap();
            for loss in LOSSES {
                let case = Case {
                    round_trip: MS * u32::try_from(round_trip).unwrap(),
                    loss: f64::from(loss) / 100.0,
                    first_try: Duration::from_millis(first_try),
                    mover_sends,
                    seed: 0,
                };
                write!(table, "{:>12}", cell(case)).unwrap();
            }
        }
    }
    table
}

#[test]
fn outage_of_a_mover_that_only_listens() {
    insta::assert_snapshot!(table(false, &[100, 200, 500]));
}

#[test]
fn outage_of_a_mover_that_sends_too() {
    insta::assert_snapshot!(table(true, &[200]));
}
