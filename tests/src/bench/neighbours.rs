//! What the copy of a virtual machine with a rate limit costs two others that share a link with it:
//! each move beside the time right before it, one after another in one run.

use anyhow::{Context as _, ensure};
use experiments::report::{Beside, RunReport};
use experiments::scenario::{Program, Scenario, parse};

use super::PAIRS;
use super::moves::observe;
use super::report::{Figure, Target, median};

const SCENARIO: &str = include_str!("../../../experiments/scenarios/neighbours.toml");

/// Throughput and round trip between the neighbours during copies, as shares of those before.
pub(super) fn neighbours() -> anyhow::Result<Vec<Figure>> {
    let seen = observe(&scenario()?)?;
    let run = seen.runs.first().context("nothing was run")?;
    let throughput: Vec<f64> = beside(run, Program::Tcp)?
        .iter()
        .map(Beside::throughput)
        .collect();
    let round_trips: Option<Vec<f64>> = beside(run, Program::Udp)?
        .iter()
        .map(Beside::delay)
        .collect();
    let round_trips = round_trips.context("no round trip was measured")?;
    let what = "neighbours of a move, 60 of 100 Mbit/s";
    let figure = |which: &str, target, samples: Vec<f64>| Figure {
        line: "relocate-neighbours",
        what: format!("{what}: {which} to before"),
        target,
        value: median(&samples),
        unit: "",
        samples,
    };
    Ok(vec![
        figure("throughput", Target::AtLeast(0.95), throughput),
        figure("RTT (50 ms)", Target::AtMost(1.05), round_trips),
    ])
}

/// The moves beside the session of a program.
fn beside(run: &RunReport, program: Program) -> anyhow::Result<&[Beside]> {
    let mut all = run.neighbours.iter();
    let session = all.find(|one| one.program == program);
    let flow = session.and_then(|session| session.flows.first());
    let moves = &flow.context("no such session beside the moves")?.moves;
    ensure!(moves.len() >= PAIRS, "{} moves were measured", moves.len());
    Ok(moves)
}

fn scenario() -> anyhow::Result<Scenario> {
    let mut scenario = parse(SCENARIO, "neighbours.toml")?;
    "bench-relocate-neighbours".clone_into(&mut scenario.name);
    Ok(scenario)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenario_has_enough_moves_with_a_rate() {
        let scenario = scenario().unwrap();
        scenario.validate().unwrap();
        assert_eq!(scenario.moves.len(), PAIRS);
        assert!(
            scenario
                .moves
                .iter()
                .all(|step| step.bandwidth == Some(60_000_000))
        );
    }
}
