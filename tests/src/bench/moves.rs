//! What a move costs the sessions of the host that moves.

use std::time::Duration;

use anyhow::Context as _;
use experiments::interrupt::Interrupt;
use experiments::lab::Options;
use experiments::report::{FlowReport, Report};
use experiments::run::run;
use experiments::scenario::{Move, MoveKind, Program, Protocol, Scenario, Workload};

use super::MOVES;
use super::report::{Figure, Target, largest, median};
use crate::scene::{self, MOBILE, PEER};

/// From one move to the next: well more than a move takes.
const PERIOD: Duration = Duration::from_secs(2);
/// One way between the core and each site: a round-trip time of 50 ms from site to site.
pub(super) const DELAY: Duration = Duration::from_micros(12_500);
pub(super) const ROUND_TRIP_MS: f64 = 50.0;
/// How long a softly moving host stays at both sites.
const OVERLAP: Duration = Duration::from_millis(1200);

/// The gap at the correspondent after a hard handoff.
pub(super) fn hard() -> anyhow::Result<Vec<Figure>> {
    let mut scenario = scenario("bench-hard", MoveKind::Hard, PERIOD);
    for site in &mut scenario.sites {
        site.link.delay = DELAY;
    }
    scenario.workloads = vec![Workload::new(Program::Udp, MOBILE, PEER)];
    let seen = observe(&scenario)?;
    let gaps = gaps(&seen)?;
    let what = "hard handoff, RTT 50 ms: gap at the correspondent";
    let figure = |kind: &str, bound, value| Figure {
        line: "hard",
        what: format!("{what}, {kind}"),
        target: Target::AtMost(bound),
        value,
        unit: "ms",
        samples: gaps.clone(),
    };
    Ok(vec![
        figure("median", ROUND_TRIP_MS + 30.0, median(&gaps)),
        figure("largest", ROUND_TRIP_MS + 150.0, largest(&gaps)),
    ])
}

/// Packets lost in soft handoffs, both ways together.
pub(super) fn soft() -> anyhow::Result<Vec<Figure>> {
    let mut scenario = scenario("bench-soft", MoveKind::Soft, PERIOD);
    scenario.workloads = vec![Workload::new(Program::Udp, MOBILE, PEER)];
    let seen = observe(&scenario)?;
    let lost: Vec<f64> = flows(&seen)
        .map(|flow| flow.lost.map(number).context("the sender does not tell"))
        .collect::<anyhow::Result<_>>()?;
    Ok(vec![Figure {
        line: "soft",
        what: format!("soft handoff, 1 kHz both ways: packets lost in {MOVES} moves"),
        target: Target::AtMost(0.0),
        value: lost.iter().sum(),
        unit: "",
        samples: lost,
    }])
}

/// Sessions that hard handoffs kill when three in ten Locator Updates and acknowledgements are
/// lost.
pub(super) fn loss() -> anyhow::Result<Vec<Figure>> {
    let mut scenario = scenario("bench-loss", MoveKind::Hard, PERIOD * 2);
    for site in &mut scenario.sites {
        site.link.delay = DELAY;
        if site.name == "c" {
            site.link.locator_update_loss = 0.3;
        }
    }
    scenario.workloads = [Program::Tcp, Program::Udp, Program::Ping]
        .map(|program| Workload::new(program, MOBILE, PEER))
        .into();
    let seen = observe(&scenario)?;
    let sessions = seen.runs.iter().flat_map(|run| &run.sessions);
    let dead = sessions.filter(|session| !session.survived).count();
    Ok(vec![Figure {
        line: "loss",
        what: format!("hard handoff, 30 % of updates lost: sessions dead after {MOVES} moves"),
        target: Target::AtMost(0.0),
        value: number(u64::try_from(dead)?),
        unit: "",
        samples: vec![number(u64::try_from(dead)?)],
    }])
}

/// A scenario in which the mobile host goes to and fro.
fn scenario(name: &str, kind: MoveKind, period: Duration) -> Scenario {
    let mut scenario = scene::scenario(name);
    scenario.moves = (0u32..)
        .take(MOVES)
        .map(|number| Move {
            host: MOBILE.to_owned(),
            at: period / 2 + period * number,
            to: ["b", "a"][usize::from(number % 2 == 1)].to_owned(),
            kind,
            overlap: OVERLAP,
            silence: Duration::ZERO,
            bandwidth: None,
            fault: None,
        })
        .collect();
    scenario.duration = period * u32::try_from(MOVES).unwrap_or(u32::MAX) + period;
    scenario
}

pub(super) fn observe(scenario: &Scenario) -> anyhow::Result<Report> {
    let options = Options {
        out: scene::results().join(&scenario.name),
        bin_dir: None,
    };
    let seen = run(scenario, Protocol::Ilnp, &options, &Interrupt::never())?;
    Ok(Report::new(scenario, &[seen]))
}

/// For each move, milliseconds from the moment when the new Locator was usable to the first packet
/// that arrived at the correspondent after the silence.
fn gaps(seen: &Report) -> anyhow::Result<Vec<f64>> {
    let flow = flows(seen).find(|flow| flow.to == PEER);
    let flow = flow.context("no flow to the correspondent")?;
    flow.moves
        .iter()
        .map(|gap| {
            let resumed = gap.and_then(|gap| gap.resumed_after_usable_ms);
            resumed.context("the flow did not resume after a move")
        })
        .collect()
}

fn flows(seen: &Report) -> impl Iterator<Item = &FlowReport> {
    let sessions = seen.runs.iter().flat_map(|run| &run.sessions);
    sessions.flat_map(|session| &session.flows)
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
