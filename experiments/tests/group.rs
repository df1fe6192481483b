//! An application of three virtual machines that move one after another: no connection is reset,
//! neither of its users nor between the machines.

use std::path::Path;
use std::time::Duration;

use experiments::interrupt::Interrupt;
use experiments::lab::Options;
use experiments::run;
use experiments::scenario::{Protocol, load};

/// From one move to the next, and from the last to the end.
const PAUSE: Duration = Duration::from_secs(3);

#[test]
fn requests_reach_the_database_while_every_tier_moves() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/group.toml");
    let mut scenario = load(&file).unwrap();
    // What takes time in the scenario shows that nothing else happens.
    for (step, number) in scenario.moves.iter_mut().zip(0..) {
        step.at = Duration::from_secs(1) + PAUSE * number;
    }
    scenario.duration = Duration::from_secs(1) + PAUSE * 4;
    let options = Options {
        out: Path::new(env!("CARGO_TARGET_TMPDIR")).join("group"),
        bin_dir: None,
    };
    let run = run::run(&scenario, Protocol::Ilnp, &options, &Interrupt::never()).unwrap();
    let moved: Vec<&str> = run.moves.iter().map(|one| one.step.host.as_str()).collect();
    assert_eq!(moved, ["web", "app", "db"]);
    let [session] = &run.sessions[..] else {
        panic!("{} sessions", run.sessions.len());
    };
    assert_eq!(session.observed.failure, None);
    assert_eq!(session.observed.intact, Some(true));
    // Every user is still served by a database that has moved.
    let last = run.moves[2].times.attached;
    for flow in &session.observed.flows {
        assert!(flow.arrivals.iter().any(|answer| answer.at > last));
    }
}
