//! What it costs a running virtual machine to change its site, beyond what a live migration costs that
//! stays in its site. Unprepared moves, prepared ones and those inside a site take turns in one run.

use anyhow::Context as _;
use experiments::report::{Interruption, Kind, RunReport};
use experiments::scenario::{Move, Scenario, parse};

use super::MOVES;
use super::moves::{ROUND_TRIP_MS, observe};
use super::report::{Figure, Target};

/// The scenario that everybody can run, with more moves than a figure is about.
const SCENARIO: &str = include_str!("../../../experiments/scenarios/virtualwire.toml");
const GAP: &str = "udp user -> guest: gap";
const STALL: &str = "tcp user -> guest: stall beyond the gap of udp";

/// A kind of relocations, and what is promised of it, in milliseconds.
struct Promise {
    name: &'static str,
    kind: Kind,
    difference: Kind,
    /// Of the gap beyond that of a move inside a site: the median, and the largest.
    beyond: [f64; 2],
    /// Of the whole gap: the median.
    whole: f64,
}

const PROMISES: [Promise; 2] = [
    Promise {
        name: "unprepared",
        kind: Kind::Hard,
        difference: Kind::HardDifference,
        beyond: [80.0, 300.0],
        whole: 400.0,
    },
    Promise {
        name: "prepared",
        kind: Kind::Soft,
        difference: Kind::SoftDifference,
        beyond: [15.0, 100.0],
        whole: 300.0,
    },
];

/// The gaps of relocations, and the stall of TCP beyond them.
pub(super) fn relocate() -> anyhow::Result<Vec<Figure>> {
    let seen = observe(&scenario()?)?;
    let run = seen.runs.first().context("nothing was run")?;
    let each = PROMISES.iter().map(|promise| figures(promise, run));
    Ok(each.collect::<anyhow::Result<Vec<_>>>()?.concat())
}

fn figures(promise: &Promise, run: &RunReport) -> anyhow::Result<Vec<Figure>> {
    let find = |measure: &str, kind| {
        let mut all = run.interruptions.iter();
        let found = all.find(|one| one.measure == measure && one.moves == kind);
        found.with_context(|| format!("{measure:?} was not measured"))
    };
    let figure = |what: &str, bound, value, of: &Interruption| Figure {
        line: "relocate",
        what: format!("relocation, {}, RTT 50 ms: {what}", promise.name),
        target: Target::AtMost(bound),
        value,
        unit: "ms",
        samples: of.values_ms.clone(),
    };
    let beyond = find(GAP, promise.difference)?;
    let [median, largest] = promise.beyond;
    let gap = find(GAP, promise.kind)?;
    let stall = find(STALL, promise.kind)?;
    let stalled = ROUND_TRIP_MS + 100.0;
    Ok(vec![
        figure(
            "gap beyond a migration, median",
            median,
            beyond.median_ms,
            beyond,
        ),
        figure(
            "gap beyond a migration, largest",
            largest,
            beyond.largest_ms,
            beyond,
        ),
        figure("whole gap, median", promise.whole, gap.median_ms, gap),
        figure(
            "TCP stall beyond it, median",
            stalled,
            stall.median_ms,
            stall,
        ),
    ])
}

/// As many moves of each kind as a figure is about.
fn scenario() -> anyhow::Result<Scenario> {
    let mut scenario = parse(SCENARIO, "virtualwire.toml")?;
    "bench-relocate".clone_into(&mut scenario.name);
    scenario.moves.truncate(MOVES * 3);
    let last = scenario
        .moves
        .last()
        .map_or(scenario.duration, |last: &Move| last.at);
    scenario.duration = last + scenario.moves.get(1).map_or(last, |second| second.at);
    Ok(scenario)
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments::scenario::MoveKind;

    #[test]
    fn the_scenario_has_enough_moves_of_each_kind() {
        let scenario = scenario().unwrap();
        scenario.validate().unwrap();
        let soft = |step: &&Move| step.kind == MoveKind::Soft;
        assert_eq!(scenario.moves.iter().filter(soft).count(), MOVES);
        assert_eq!(scenario.moves.len(), MOVES * 3);
    }
}
