//! A virtual machine that moves there and back while things break.

use std::time::Duration;

use anyhow::ensure;
use experiments::scenario::{Breaks, Fault, Scenario, parse};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::moves::observe;
use super::report::{Figure, Target};
use crate::relocation::endurance::endure;

const COUNT: usize = 100;
const FAULTS: usize = 30;
const SEED: u64 = 1;

/// The scenario that everybody can run; here chance says what breaks, and when.
const SCENARIO: &str = include_str!("../../../experiments/scenarios/faults.toml");
const BREAKS: [Breaks; 4] = [
    Breaks::SourceAgent,
    Breaks::TargetAgent,
    Breaks::BothAgents,
    Breaks::Abort,
];
/// Somewhat longer than a move takes.
const LONGEST_MS: u64 = 3500;

/// Guests lost in moves with faults, and sectors of their disks.
pub(super) fn faults() -> anyhow::Result<Vec<Figure>> {
    let tally = endure(COUNT, FAULTS, SEED)?;
    #[expect(clippy::cast_precision_loss, reason = "at most one")]
    let lost = tally.losses.len() as f64;
    let why = tally.losses.first().map(|loss| format!(" ({loss})"));
    Ok(vec![Figure {
        line: "relocate-faults",
        what: format!(
            "{} moves, {} with a fault: guests lost{}",
            tally.moves,
            tally.faults,
            why.unwrap_or_default()
        ),
        target: Target::AtMost(0.0),
        value: lost,
        unit: "",
        samples: vec![lost],
    }])
}

/// Sessions lost in moves with faults.
pub(super) fn sessions() -> anyhow::Result<Vec<Figure>> {
    let scenario = scenario()?;
    let seen = observe(&scenario)?;
    let made: usize = seen.runs.iter().map(|run| run.moves.len()).sum();
    ensure!(made == COUNT, "{made} moves were made");
    let sessions: Vec<_> = seen.runs.iter().flat_map(|run| &run.sessions).collect();
    ensure!(
        sessions.len() == scenario.workloads.len(),
        "{} sessions were seen",
        sessions.len()
    );
    let lost = sessions.iter().map(|session| f64::from(!session.survived));
    let samples: Vec<f64> = lost.collect();
    Ok(vec![Figure {
        line: "relocate-sessions",
        what: format!("{COUNT} moves, {FAULTS} with a fault: sessions lost"),
        target: Target::AtMost(0.0),
        value: samples.iter().sum(),
        unit: "",
        samples,
    }])
}

fn scenario() -> anyhow::Result<Scenario> {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut scenario = parse(SCENARIO, "faults.toml")?;
    "bench-faults".clone_into(&mut scenario.name);
    let broken = scenario
        .moves
        .iter_mut()
        .filter(|step| step.fault.is_some());
    for (step, what) in broken.zip(BREAKS.into_iter().cycle()) {
        let after = Duration::from_millis(random.random_range(0..LONGEST_MS));
        step.fault = Some(Fault { what, after });
    }
    Ok(scenario)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenario_has_as_many_moves_and_faults() {
        let scenario = scenario().unwrap();
        scenario.validate().unwrap();
        assert_eq!(scenario.moves.len(), COUNT);
        let broken = scenario.moves.iter().filter(|step| step.fault.is_some());
        assert_eq!(broken.count(), FAULTS);
    }
}
