//! What the moves of a run did to its sessions: distributions instead of single moves.
//!
//! A move inside a site changes no Locator, so what it costs is what a live migration costs. Where
//! kinds of moves take turns, the difference between a move to another site and the move inside a
//! site that came before it is what the change of site costs, whatever the machine does meanwhile.

use serde::Serialize;

use super::{FlowReport, MoveReport, RunReport, SessionReport};
use crate::measure::flow::Unit;
use crate::scenario::{MoveKind, Program};

/// One measure of all moves of a kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interruption {
    /// What was measured.
    pub measure: String,
    /// Of which moves.
    pub moves: Kind,
    /// Half of the values are at most this, in milliseconds.
    pub median_ms: f64,
    /// Nine of ten values are at most this.
    pub ninth_decile_ms: f64,
    /// All values are at most this.
    pub largest_ms: f64,
    /// Every value, in the order of the moves.
    pub values_ms: Vec<f64>,
}

/// Which moves a distribution is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Those from one hypervisor to another of the same site.
    InsideASite,
    /// Those to another site that the host learns of afterwards.
    Hard,
    /// Those to another site that the host is prepared for.
    Soft,
    /// The hard ones, each minus the one inside a site before it.
    HardDifference,
    /// The soft ones, each minus the one inside a site before it.
    SoftDifference,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::InsideASite,
        Self::Hard,
        Self::Soft,
        Self::HardDifference,
        Self::SoftDifference,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::InsideASite => "inside a site",
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::HardDifference => "hard, beyond inside",
            Self::SoftDifference => "soft, beyond inside",
        }
    }

    /// Which kind a move is of.
    pub(super) fn of(step: &MoveReport) -> Self {
        match (step.inside_site, step.kind) {
            (true, _) => Self::InsideASite,
            (false, MoveKind::Hard) => Self::Hard,
            (false, MoveKind::Soft) => Self::Soft,
        }
    }

    /// The kind of moves that this is a difference of.
    fn beyond(self) -> Option<Self> {
        match self {
            Self::HardDifference => Some(Self::Hard),
            Self::SoftDifference => Some(Self::Soft),
            Self::InsideASite | Self::Hard | Self::Soft => None,
        }
    }
}

/// A measure with its value for each move, where there is one.
pub(super) struct Series {
    pub(super) measure: String,
    pub(super) values: Vec<Option<f64>>,
}

/// Everything that is measured of each move of a run.
pub(super) fn series(run: &RunReport) -> Vec<Series> {
    let stopped = run
        .moves
        .iter()
        .map(|step| Some(step.attached_ms - step.cut_ms));
    let mut all = vec![Series {
        measure: "from the cut to the new attachment".to_owned(),
        values: stopped.collect(),
    }];
    let relocations = run.moves.iter().map(|step| step.relocation.as_ref());
    let downtimes: Vec<_> = relocations.map(|one| one?.downtime_ms).collect();
    if downtimes.iter().any(Option::is_some) {
        all.push(Series {
            measure: "downtime by QEMU".to_owned(),
            values: downtimes,
        });
    }
    for session in &run.sessions {
        let name = format!(
            "{} {} -> {}",
            session.program.name(),
            session.from,
            session.to
        );
        let gaps: Vec<_> = (0..run.moves.len())
            .map(|index| gap(session, index))
            .collect();
        let path = path(run, session).map(|path| {
            let pairs = gaps.iter().enumerate();
            pairs
                .map(|(index, stall)| Some((*stall)? - gap(path, index)?))
                .collect()
        });
        all.push(Series {
            measure: format!("{name}: gap"),
            values: gaps,
        });
        if session.flows.len() > 1 {
            all.extend(session.flows.iter().map(|flow| {
                Series {
                    measure: format!("{name}: gap from {} to {}", flow.from, flow.to),
                    values: (0..run.moves.len())
                        .map(|index| flow_gap(flow, index))
                        .collect(),
                }
            }));
        }
        all.extend(path.map(|values| Series {
            measure: format!("{name}: stall beyond the gap of udp"),
            values,
        }));
    }
    all
}

/// The distributions of a run.
pub(super) fn distributions(run: &RunReport) -> Vec<Interruption> {
    let series = series(run);
    let each = series
        .iter()
        .flat_map(|series| Kind::ALL.map(|kind| Interruption::of(series, kind, run)));
    each.flatten().collect()
}

impl Interruption {
    fn of(series: &Series, kind: Kind, run: &RunReport) -> Option<Self> {
        let moves = || run.moves.iter().zip(&series.values);
        let values_ms: Vec<f64> = match kind.beyond() {
            Some(kind) => differences(series, kind, run),
            None => moves()
                .filter(|(step, _)| Kind::of(step) == kind)
                .filter_map(|(_, value)| *value)
                .collect(),
        };
        let mut sorted = values_ms.clone();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            measure: series.measure.clone(),
            moves: kind,
            median_ms: rank(&sorted, 5)?,
            ninth_decile_ms: rank(&sorted, 9)?,
            largest_ms: *sorted.last()?,
            values_ms,
        })
    }
}

/// Each move of a kind, minus the last one of the same host inside a site.
fn differences(series: &Series, kind: Kind, run: &RunReport) -> Vec<f64> {
    let moves: Vec<_> = run.moves.iter().zip(&series.values).collect();
    let each = moves.iter().enumerate().map(|(index, (step, value))| {
        let mut before = moves.iter().take(index).rev();
        let inside = before.find(|(other, _)| other.host == step.host && other.inside_site);
        (Kind::of(step) == kind).then_some((**value)? - (*inside?.1)?)
    });
    each.flatten().collect()
}

/// The value that this many tenths of the values do not exceed (the nearest rank).
pub(super) fn rank(sorted: &[f64], tenths: usize) -> Option<f64> {
    sorted
        .get((sorted.len() * tenths).div_ceil(10).checked_sub(1)?)
        .copied()
}

/// The longest gap of any direction at a move.
fn gap(session: &SessionReport, index: usize) -> Option<f64> {
    let gaps = session.flows.iter().map(|flow| flow_gap(flow, index));
    gaps.flatten().reduce(f64::max)
}

/// The gap of one direction at a move.
fn flow_gap(flow: &FlowReport, index: usize) -> Option<f64> {
    Some(flow.moves.get(index)?.as_ref()?.gap_ms)
}

/// The datagrams between the same two hosts, for a session that retransmits.
fn path<'a>(run: &'a RunReport, session: &SessionReport) -> Option<&'a SessionReport> {
    let is = |session: &SessionReport, unit| session.flows.iter().all(|flow| flow.unit == unit);
    let same = |other: &&SessionReport| (&other.from, &other.to) == (&session.from, &session.to);
    let mut paths = run.sessions.iter().filter(same);
    paths.find(|other| is(session, Unit::Records) && other.program == Program::Udp)
}
