//! What breaks while a virtual machine is moved costs its sessions nothing, wherever it runs on.

use std::path::Path;
use std::time::Duration;

use experiments::interrupt::Interrupt;
use experiments::lab::Options;
use experiments::run;
use experiments::scenario::{Breaks, Fault, Move, Protocol, parse};

const SCENARIO: &str = include_str!("../scenarios/faults.toml");

/// What breaks and when, in milliseconds, in one move after the other.
const FAULTS: [(Breaks, u64); 4] = [
    (Breaks::Abort, 200),
    (Breaks::SourceAgent, 500),
    (Breaks::TargetAgent, 1000),
    (Breaks::BothAgents, 300),
];

#[test]
fn sessions_outlive_moves_that_fail() {
    let mut scenario = parse(SCENARIO, "faults.toml").unwrap();
    let moves = scenario.moves.iter().zip(FAULTS);
    let with_fault = |(step, (what, after)): (&Move, _)| Move {
        fault: Some(Fault {
            what,
            after: Duration::from_millis(after),
        }),
        ..step.clone()
    };
    scenario.moves = moves.map(with_fault).collect();
    scenario.duration = Duration::from_secs(12);
    let options = Options {
        out: Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults"),
        bin_dir: None,
    };
    let run = run::run(&scenario, Protocol::Ilnp, &options, &Interrupt::never()).unwrap();
    assert_eq!((run.sessions.len(), run.moves.len()), (3, FAULTS.len()));
    for session in &run.sessions {
        let (program, observed) = (session.workload.program.name(), &session.observed);
        assert_eq!(observed.failure, None, "{program}");
        assert_ne!(observed.intact, Some(false), "{program}");
        // To the end of the last site, in every direction.
        let last = run.moves[3].times.attached + Duration::from_secs(1);
        let arrivals = observed.flows.iter().map(|flow| flow.arrivals.last());
        let mut arrivals = arrivals.map(|last| last.unwrap().at);
        assert!(arrivals.all(|at| at > last), "{program}");
    }
    for (index, moved) in run.moves.iter().enumerate() {
        let report = moved.relocation.as_ref().unwrap();
        assert_eq!(report.to.as_str(), moved.step.to, "move {index}");
        assert!(moved.times.cut < moved.times.attached, "move {index}");
    }
    // An abort comes in time: that move failed, and was made again.
    let again = options.out.join("guest-move-1.jsonl");
    assert!(again.exists(), "the first move did not fail");
}
