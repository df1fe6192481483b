//! How long TCP stays silent after a move, beyond the time for which nothing passed.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use experiments::report::SessionReport;
use experiments::scenario::{Move, MoveKind, Program, Scenario, Workload};

use super::MOVES;
use super::moves::{DELAY, ROUND_TRIP_MS, observe};
use super::report::{Figure, Target, median};
use crate::scene::{self, MOBILE, PEER};

/// From one move to the next: TCP is back at full speed long before.
const PERIOD: Duration = Duration::from_secs(3);
/// For how long nothing passes before a hard handoff, in turn.
const SILENCES: [u64; 4] = [50, 100, 250, 500];
/// What TCP carries, and how often 64 octets of it are written.
const LOADS: [(&str, Duration); 3] = [
    ("records every 20 ms", Duration::from_millis(20)),
    ("records every 5 ms", Duration::from_millis(5)),
    ("records every 1 ms", Duration::from_millis(1)),
];

/// The stall of TCP minus the gap of the path, both ways.
pub(super) fn stall() -> anyhow::Result<Vec<Figure>> {
    let seen = observe(&scenario())?;
    let run = seen.runs.first().context("nothing was run")?;
    let (path, loads) = run.sessions.split_first().context("no session was run")?;
    let figure = |(session, (load, _)): (&SessionReport, (&str, Duration))| {
        ensure!(session.survived, "TCP died: {:?}", session.reason);
        let beyond = beyond(session, path)?;
        Ok(Figure {
            line: "stall",
            what: format!("TCP stall minus gap, RTT 50 ms, {load}, median"),
            target: Target::AtMost(ROUND_TRIP_MS + 100.0),
            value: median(&beyond),
            unit: "ms",
            samples: beyond,
        })
    };
    loads.iter().zip(LOADS).map(figure).collect()
}

/// How much longer than the path a session was silent, at each move and either way.
fn beyond(session: &SessionReport, path: &SessionReport) -> anyhow::Result<Vec<f64>> {
    let moves = session
        .flows
        .iter()
        .zip(&path.flows)
        .flat_map(|(tcp, udp)| {
            let moves = tcp.moves.iter().zip(&udp.moves);
            moves.map(|(tcp, udp)| Some(tcp.as_ref()?.gap_ms - udp.as_ref()?.gap_ms))
        });
    moves
        .map(|beyond| beyond.context("a session ended before a move"))
        .collect()
}

fn scenario() -> Scenario {
    let mut scenario = scene::scenario("bench-stall");
    for site in &mut scenario.sites {
        site.link.delay = DELAY;
    }
    scenario.captures = false;
    scenario.moves = (0u32..)
        .zip(SILENCES.into_iter().cycle())
        .take(MOVES)
        .map(|(number, silence)| Move {
            host: MOBILE.to_owned(),
            at: PERIOD / 2 + PERIOD * number,
            to: ["b", "a"][usize::from(number % 2 == 1)].to_owned(),
            kind: MoveKind::Hard,
            overlap: Duration::ZERO,
            silence: Duration::from_millis(silence),
            bandwidth: None,
            fault: None,
        })
        .collect();
    scenario.duration = PERIOD * u32::try_from(MOVES).unwrap_or(u32::MAX) + PERIOD;
    scenario.workloads = vec![Workload::new(Program::Udp, MOBILE, PEER)];
    let loads = LOADS.map(|(_, interval)| Workload {
        interval: Some(interval),
        ..Workload::new(Program::Tcp, MOBILE, PEER)
    });
    scenario.workloads.extend(loads);
    scenario
}
