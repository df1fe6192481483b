//! The judgement of a session: whether it survived, what was lost, and how long it was silent.

use std::time::Duration;

use ilnp_core::id::Locator;
use serde::Serialize;

use super::since;
use crate::measure::flow::{Flow, Gap, Unit};
use crate::run::{Reached, Run, Watched};
use crate::scenario::Program;

/// A session that says nothing for this long at the end is dead.
const SILENCE: Duration = Duration::from_millis(1500);

/// A session, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionReport {
    /// Which programs.
    pub program: Program,
    /// Who started it.
    pub from: String,
    /// Who answered.
    pub to: String,
    /// Whether the program was given a name.
    pub by_name: bool,
    /// When it was established.
    pub started_ms: f64,
    /// The Locator that its first packet went to, for a session by name.
    pub reached: Option<Locator>,
    /// Whether it went on to the end with nothing damaged.
    pub survived: bool,
    /// Why it is said not to have survived.
    pub reason: Option<String>,
    /// Whether what arrived was what had been sent, for programs that can tell.
    pub intact: Option<bool>,
    /// Each direction.
    pub flows: Vec<FlowReport>,
}

/// One direction of a session, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlowReport {
    /// Who sends.
    pub from: String,
    /// Where arrivals are seen.
    pub to: String,
    /// What is counted.
    pub unit: Unit,
    /// How many were sent.
    pub sent: Option<u64>,
    /// How many different ones arrived.
    pub received: u64,
    /// How many did not arrive.
    pub lost: Option<u64>,
    /// How many arrived more than once.
    pub duplicated: u64,
    /// The longest time without an arrival.
    pub longest_gap_ms: f64,
    /// How long things were under way in the median, where that is known.
    pub median_delay_ms: Option<f64>,
    /// How long things were under way at most, where that is known.
    pub longest_delay_ms: Option<f64>,
    /// The longest gap around each move, in the order of the moves; `null` when the flow was
    /// complete before.
    pub moves: Vec<Option<MoveGap>>,
}

/// The gap that a move made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MoveGap {
    /// How long nothing arrived.
    pub gap_ms: f64,
    /// From the moment at which the new address was usable to the first arrival after the gap.
    pub resumed_after_usable_ms: Option<f64>,
}

impl SessionReport {
    pub(super) fn new(watched: &Watched, run: &Run) -> Self {
        let (workload, observed) = (&watched.workload, &watched.observed);
        let dead = observed.flows.iter().find_map(|flow| silent(flow, run));
        let astray = watched.reached.as_ref().and_then(astray);
        let damaged = (observed.intact == Some(false)).then(|| "data damaged".to_owned());
        let reason = observed.failure.clone().or(astray).or(damaged).or(dead);
        Self {
            program: workload.program,
            from: workload.from.clone(),
            to: workload.to.clone(),
            by_name: workload.by_name,
            started_ms: since(run.start, watched.start),
            reached: watched.reached.as_ref().map(|reached| reached.locator),
            survived: reason.is_none(),
            reason,
            intact: observed.intact,
            flows: observed
                .flows
                .iter()
                .map(|flow| FlowReport::new(flow, watched.start, run))
                .collect(),
        }
    }

    /// The longest gap of any direction.
    pub fn longest_gap_ms(&self) -> f64 {
        let gaps = self.flows.iter().map(|flow| flow.longest_gap_ms);
        gaps.fold(0.0, f64::max)
    }
}

/// Says where a session went, when the other host was not there.
fn astray(reached: &Reached) -> Option<String> {
    let right = reached.expected.contains(&reached.locator);
    (!right).then(|| format!("its first packet went to {}", reached.locator))
}

/// Says since when a flow is silent, when it is dead.
fn silent(flow: &Flow, run: &Run) -> Option<String> {
    let last = flow.arrivals.last().map_or(run.start, |arrival| arrival.at);
    let dead = flow.complete.is_none() && last + SILENCE < run.end;
    dead.then(|| {
        let seconds = since(run.start, last) / 1e3;
        format!("nothing from {} since {seconds:.1} s", flow.from)
    })
}

impl FlowReport {
    fn new(flow: &Flow, start: Duration, run: &Run) -> Self {
        let gap = flow.longest_gap(start..run.end, run.end);
        let delays = flow.delays();
        let milliseconds = |time| since(Duration::ZERO, time);
        Self {
            from: flow.from.clone(),
            to: flow.to.clone(),
            unit: flow.unit,
            sent: flow.sent,
            received: flow.received(),
            lost: flow.lost(),
            duplicated: flow.duplicated(),
            longest_gap_ms: gap.map_or(0.0, length_ms),
            median_delay_ms: delays.map(|[_, median, _]| milliseconds(median)),
            longest_delay_ms: delays.map(|[.., longest]| milliseconds(longest)),
            moves: move_gaps(flow, start, run),
        }
    }
}

/// The longest gap of a flow around each move that was made after its start.
fn move_gaps(flow: &Flow, start: Duration, run: &Run) -> Vec<Option<MoveGap>> {
    run.moves
        .iter()
        .map(|moved| {
            let window = Some(moved.window()).filter(|window| window.start >= start)?;
            let gap = flow.longest_gap(window, run.end)?;
            let usable = moved.usable.filter(|_| gap.ended);
            Some(MoveGap {
                gap_ms: length_ms(gap),
                resumed_after_usable_ms: usable.map(|usable| since(usable, gap.to)),
            })
        })
        .collect()
}

fn length_ms(gap: Gap) -> f64 {
    since(gap.from, gap.to)
}
