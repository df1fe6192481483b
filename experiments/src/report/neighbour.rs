//! What the copy of a virtual machine does to sessions that have nothing to do with it: how much
//! arrives a second, and how long it is under way, while others' memory and disks are copied, beside
//! the time before.

use std::ops::Range;
use std::time::Duration;

use ilnp_relocate::report::Phase;
use serde::Serialize;

use super::MoveReport;
use super::interruption::rank;
use crate::measure::flow::{Flow, Unit};
use crate::run::{Run, Watched};
use crate::scenario::Program;

/// Of less time nothing can be said.
const SHORTEST: Duration = Duration::from_millis(500);

/// A session between hosts that stay, beside the moves of virtual machines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NeighbourReport {
    /// Which programs.
    pub program: Program,
    /// Who started it.
    pub from: String,
    /// Who answered.
    pub to: String,
    /// Each direction.
    pub flows: Vec<NeighbourFlow>,
}

/// One direction of a session beside moves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NeighbourFlow {
    /// Who sends.
    pub from: String,
    /// Where arrivals are seen. Who sends, when it is a round trip.
    pub to: String,
    /// Each move, in order, that has enough time before it and copies for long enough.
    pub moves: Vec<Beside>,
}

/// A flow before a copy and during it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// From when the last move had settled until this one was asked for.
    pub before: Stretch,
    /// From the first octet of the copy until the machine ran at the other site.
    pub during: Stretch,
}

/// A flow in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stretch {
    /// How much arrived in a second, in the unit of the flow.
    pub per_second: f64,
    /// How long it was under way, where that is known: the median.
    pub delay_ms: Option<f64>,
    /// Nine of ten were under way for at most this long.
    pub ninth_decile_ms: Option<f64>,
}

impl Beside {
    /// What arrived a second, as a share of that before.
    pub fn throughput(&self) -> f64 {
        self.during.per_second / self.before.per_second
    }

    /// How long things were under way, as a multiple of that before.
    pub fn delay(&self) -> Option<f64> {
        Some(self.during.delay_ms? / self.before.delay_ms?)
    }
}

/// The sessions of a run beside its relocations.
pub(super) fn neighbours(run: &Run, moves: &[MoveReport]) -> Vec<NeighbourReport> {
    let stretches = stretches(run, moves);
    let stays = |host: &str| moves.iter().all(|step| step.host != host);
    let sessions = run.sessions.iter().filter(|session| {
        let mut servers = session.workload.servers();
        !stretches.is_empty() && stays(&session.workload.from) && servers.all(stays)
    });
    sessions
        .map(|session| NeighbourReport::new(session, &stretches))
        .collect()
}

impl NeighbourReport {
    fn new(session: &Watched, stretches: &[[Range<Duration>; 2]]) -> Self {
        let workload = &session.workload;
        let flows = session.observed.flows.iter().map(|flow| {
            let beside = stretches.iter().filter_map(|[before, during]| {
                // A session that starts late was not there.
                let before = before.start.max(session.start)..before.end;
                Some(Beside {
                    before: Stretch::of(flow, &before)?,
                    during: Stretch::of(flow, during)?,
                })
            });
            NeighbourFlow {
                from: flow.from.clone(),
                to: flow.to.clone(),
                moves: beside.collect(),
            }
        });
        Self {
            program: workload.program,
            from: workload.from.clone(),
            to: workload.to.clone(),
            flows: flows.collect(),
        }
    }
}

impl Stretch {
    fn of(flow: &Flow, within: &Range<Duration>) -> Option<Self> {
        let length = within.end.saturating_sub(within.start);
        if length < SHORTEST {
            return None;
        }
        let arrivals = flow.arrivals.iter();
        let inside = || arrivals.clone().filter(|one| within.contains(&one.at));
        let arrived = match flow.unit {
            // Numbers say how many came so far.
            Unit::Octets => {
                let mut earlier = flow.arrivals.iter().rev();
                let before = earlier.find(|one| one.at < within.start);
                let before = before.map_or(0, |one| one.number);
                let last = inside().next_back();
                last.map_or(0, |one| one.number.saturating_sub(before))
            }
            Unit::Packets | Unit::Records => inside().count() as u64,
        };
        let mut delays: Vec<f64> = inside()
            .filter_map(|one| one.delay)
            .map(|delay| delay.as_secs_f64() * 1e3)
            .collect();
        delays.sort_by(f64::total_cmp);
        Some(Self {
            per_second: arrived as f64 / length.as_secs_f64(),
            delay_ms: rank(&delays, 5),
            ninth_decile_ms: rank(&delays, 9),
        })
    }
}

/// For each relocation the time before it and the time of its copy.
fn stretches(run: &Run, moves: &[MoveReport]) -> Vec<[Range<Duration>; 2]> {
    let mut settled = run.start;
    let mut all = vec![];
    for (moved, step) in run.moves.iter().zip(moves) {
        let phases = step.relocation.as_ref().map(|one| one.phases.as_slice());
        if let Some([asked, ..]) = phases
            && let Some(copy) = phases
                .unwrap_or_default()
                .iter()
                .find(|one| matches!(one.phase, Phase::Disks | Phase::Memory))
        {
            let on_clock = |ms: f64| {
                let at = run.start.as_secs_f64() + ms / 1e3;
                Duration::try_from_secs_f64(at).unwrap_or_default()
            };
            all.push([
                settled..on_clock(asked.at_ms),
                on_clock(copy.at_ms)..moved.times.attached,
            ]);
        }
        settled = moved.window().end;
    }
    all
}
