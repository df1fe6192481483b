//! Unmodified programs under moves: an `ssh` session, a `curl` download, a UDP stream and a `ping`.

use std::time::Duration;

use experiments::interrupt::Interrupt;
use experiments::lab::Options;
use experiments::report::Report;
use experiments::run::run;
use experiments::scenario::{Move, MoveKind, Program, Protocol, Scenario, Workload};
use tests::scene::{self, MOBILE, PEER};

const PERIOD: Duration = Duration::from_secs(4);

/// A to B to A to B, hard each time, without a daemon's help from outside.
fn there_and_back(name: &str) -> Scenario {
    let mut scenario = scene::scenario(name);
    scenario.moves = (1u32..)
        .zip(["b", "a", "b"])
        .map(|(number, to)| Move {
            host: MOBILE.to_owned(),
            at: PERIOD * number,
            to: to.to_owned(),
            kind: MoveKind::Hard,
            overlap: Duration::ZERO,
            silence: Duration::ZERO,
            bandwidth: None,
            fault: None,
        })
        .collect();
    scenario.duration = PERIOD * 4;
    let mut curl = Workload::new(Program::Curl, MOBILE, PEER);
    // Under way to the end.
    curl.speed = Some(1_000_000);
    curl.size = Some(14_000_000);
    scenario.workloads = [Program::Ssh, Program::Udp, Program::Ping]
        .map(|program| Workload::new(program, MOBILE, PEER))
        .into();
    scenario.workloads.push(curl);
    scenario
}

fn observe(scenario: &Scenario, protocol: Protocol) -> anyhow::Result<Report> {
    let options = Options {
        out: scene::results().join(&scenario.name),
        bin_dir: None,
    };
    let seen = run(scenario, protocol, &options, &Interrupt::never())?;
    Ok(Report::new(scenario, &[seen]))
}

#[test]
fn sessions_go_on_over_ilnp() -> anyhow::Result<()> {
    let seen = observe(&there_and_back("programs-ilnp"), Protocol::Ilnp)?;
    for session in seen.runs.iter().flat_map(|run| &run.sessions) {
        assert!(
            session.survived,
            "{:?}: {:?}",
            session.program, session.reason
        );
        assert_ne!(session.intact, Some(false), "{:?}", session.program);
    }
    Ok(())
}

/// What the same moves do to the same programs without ILNP: the lab does not flatter.
#[test]
fn sessions_die_over_plain_ipv6() -> anyhow::Result<()> {
    let seen = observe(&there_and_back("programs-ipv6"), Protocol::Ipv6)?;
    for session in seen.runs.iter().flat_map(|run| &run.sessions) {
        // Echoes are no session: each request may leave from another address.
        if session.program != Program::Ping {
            assert!(!session.survived, "{:?} survived", session.program);
        }
    }
    Ok(())
}
