//! A virtual machine's way from one hypervisor to another, by the agents of both.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ilnp_relocate::channel::RelocationId;
use ilnp_relocate::custody::Standing;
use ilnp_relocate::report::{Phase, Report};

use super::{Agent, Machine};
use crate::clock::Clock;
use crate::error::LabError;
use crate::lab::MoveTimes;
use crate::process::status_text;
use crate::scenario::{Breaks, Fault};

/// How long a move may take, over a slow link as well.
const MOVE: Duration = Duration::from_secs(180);
/// How long an agent that was killed is gone.
const GONE: Duration = Duration::from_secs(1);
/// How long agents may take to agree on where a machine is.
const AGREED: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// How a machine is to be moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    /// Whether the daemon in it is told before.
    pub(crate) prepared: bool,
    /// The rate that the copy keeps to, in bits a second.
    pub(crate) bandwidth: Option<u64>,
    /// What breaks meanwhile.
    pub(crate) fault: Option<Fault>,
}

/// Moves a machine from the first agent's hypervisor to the second one's, and returns when it was
/// stopped, when it was known to run there, and which relocation that was. What is said meanwhile is
/// left in `events`.
pub(super) fn relocate(
    machine: &Machine,
    [source, target]: [&mut Agent; 2],
    order: &Order,
    clock: Clock,
    events: &Path,
) -> Result<(MoveTimes, RelocationId), LabError> {
    let name = machine.name();
    let to = target.hypervisor().to_owned();
    let late = || format!("not done after {} s", MOVE.as_secs());
    if let Some(fault) = order.fault {
        let asked = clock.now();
        let events = events.with_extension("fault.jsonl");
        let mut moving = source.begin_move(machine, &to, order, &events)?;
        sleep(fault.after);
        happen(fault.what, name, [&mut *source, &mut *target])?;
        if moving.wait(MOVE).is_none() {
            return Err(source.failed(name, &to, late()));
        }
        if has_moved(name, [source, target])? {
            let report = last_report(source, name, &to)?;
            // An agent that was killed meanwhile has not seen all of it.
            let around = MoveTimes {
                cut: asked,
                attached: clock.now(),
            };
            return Ok((times(&report, clock).unwrap_or(around), report.relocation));
        }
        tracing::info!(host = name, "is moved again, after a fault");
    }
    let mut moving = source.begin_move(machine, &to, order, events)?;
    let status = moving.wait(MOVE);
    if !status.is_some_and(|status| status.success()) {
        let status = status.map_or_else(late, status_text);
        return Err(source.failed(name, &to, status));
    }
    let report = last_report(source, name, &to)?;
    let times = times(&report, clock);
    let times =
        times.ok_or_else(|| source.failed(name, &to, "it does not tell when".to_owned()))?;
    Ok((times, report.relocation))
}

/// What the agent that a machine has left says of its last move.
fn last_report(source: &Agent, machine: &str, target: &str) -> Result<Report, LabError> {
    let report = source.last_departure(machine)?;
    report.ok_or_else(|| source.failed(machine, target, "it has no report".to_owned()))
}

/// Lets something break, and mends it.
fn happen(what: Breaks, machine: &str, [source, target]: [&mut Agent; 2]) -> Result<(), LabError> {
    let mut gone = match what {
        Breaks::SourceAgent => vec![source],
        Breaks::TargetAgent => vec![target],
        Breaks::BothAgents => vec![source, target],
        Breaks::Abort => return source.abort(machine),
    };
    gone.iter_mut().for_each(|agent| agent.kill());
    sleep(GONE);
    gone.into_iter().try_for_each(Agent::start_again)
}

/// Waits until a machine runs at one hypervisor, and both agents say so; whether that is the target.
fn has_moved(machine: &str, [source, target]: [&Agent; 2]) -> Result<bool, LabError> {
    let end = Instant::now() + AGREED;
    while Instant::now() < end {
        let (here, there) = (source.status(machine)?, target.status(machine)?);
        match (here.running, there.running) {
            (Some(true), _) if is_away(&there.standing) => return Ok(false),
            (_, Some(true)) if is_away(&here.standing) => return Ok(true),
            _ => sleep(POLL),
        }
    }
    let status = "agents do not agree on where it is".to_owned();
    Err(source.failed(machine, target.hypervisor(), status))
}

fn is_away(standing: &Standing) -> bool {
    matches!(
        standing,
        Standing::None | Standing::Released { .. } | Standing::Discarded { .. }
    )
}

/// When a machine was stopped, and when it was known to run elsewhere, if the report has both.
fn times(report: &Report, clock: Clock) -> Option<MoveTimes> {
    let at = |phase| {
        let times = report.phases.iter().find(|times| times.phase == phase)?;
        let wall = Duration::try_from_secs_f64(report.asked_s + times.at_ms / 1e3);
        Some(clock.at_wall(wall.ok()?))
    };
    Some(MoveTimes {
        cut: at(Phase::Stop)?,
        attached: at(Phase::Resume)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_tells_when_the_machine_stood_still() {
        let clock = Clock::start();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let phase = |phase: &str, at: f64| json!({ "phase": phase, "at_ms": at });
        let mut report = json!({
            "schema": 1,
            "relocation": format!("{:032x}", 7),
            "guest": "vm1",
            "from": "a",
            "to": "b",
            "epoch": 3,
            "asked_s": now.as_secs_f64() + 1.0,
            "outcome": "moved",
            "storage": "none",
            "soft": false,
            "phases": [phase("memory", 10.0), phase("stop", 2000.0), phase("resume", 2500.0)],
            "sent": { "memory": 1, "disks": 0, "copies": 1 },
            "told": [],
        });
        let read = |report: &serde_json::Value| {
            times(&serde_json::from_value(report.clone()).unwrap(), clock)
        };
        let times = read(&report).unwrap();
        let near = |time: Duration, expected: f64| (time.as_secs_f64() - expected).abs() < 0.5;
        assert!(near(times.cut, 3.0), "{times:?}");
        let stood = times.attached - times.cut;
        assert!((stood.as_secs_f64() - 0.5).abs() < 0.01, "{stood:?}");
        report["phases"].as_array_mut().unwrap().pop();
        assert!(read(&report).is_none(), "it never ran elsewhere");
    }
}
