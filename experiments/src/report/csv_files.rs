//! The report as CSV: one line a flow, one a measure of a move, and one an arrival.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::interruption::{Kind, Series, series};
use super::{Report, since};
use crate::error::{Doing, LabError};
use crate::measure::flow::Unit;
use crate::run::Run;
use crate::scenario::{Program, Protocol};

#[derive(Serialize)]
struct FlowLine<'a> {
    protocol: Protocol,
    program: Program,
    from: &'a str,
    to: &'a str,
    survived: bool,
    unit: Unit,
    sent: Option<u64>,
    received: u64,
    lost: Option<u64>,
    duplicated: u64,
    longest_gap_ms: f64,
    median_delay_ms: Option<f64>,
    longest_delay_ms: Option<f64>,
}

#[derive(Serialize)]
struct MoveLine<'a> {
    protocol: Protocol,
    number: usize,
    host: &'a str,
    to: &'a str,
    kind: Kind,
    measure: String,
    value_ms: Option<f64>,
}

#[derive(Serialize)]
struct ArrivalLine<'a> {
    session: usize,
    program: Program,
    from: &'a str,
    to: &'a str,
    number: u64,
    at_ms: f64,
    delay_ms: Option<f64>,
}

/// Writes one line for each direction of each session.
pub(super) fn write_sessions(report: &Report, file: &Path) -> Result<(), LabError> {
    let sessions = report
        .runs
        .iter()
        .flat_map(|run| run.sessions.iter().map(move |session| (run, session)));
    let lines = sessions.flat_map(|(run, session)| {
        session.flows.iter().map(move |flow| FlowLine {
            protocol: run.protocol,
            program: session.program,
            from: &flow.from,
            to: &flow.to,
            survived: session.survived,
            unit: flow.unit,
            sent: flow.sent,
            received: flow.received,
            lost: flow.lost,
            duplicated: flow.duplicated,
            longest_gap_ms: flow.longest_gap_ms,
            median_delay_ms: flow.median_delay_ms,
            longest_delay_ms: flow.longest_delay_ms,
        })
    });
    write(lines, file)
}

/// Writes one line for each measure of each move.
pub(super) fn write_moves(report: &Report, file: &Path) -> Result<(), LabError> {
    let lines = report.runs.iter().flat_map(|run| {
        series(run)
            .into_iter()
            .flat_map(move |Series { measure, values }| {
                let values = run.moves.iter().zip(values).enumerate();
                values.map(move |(index, (step, value_ms))| MoveLine {
                    protocol: run.protocol,
                    number: index + 1,
                    host: &step.host,
                    to: &step.to,
                    kind: Kind::of(step),
                    measure: measure.clone(),
                    value_ms,
                })
            })
    });
    write(lines, file)
}

/// Writes one line for each arrival.
pub(super) fn write_arrivals(run: &Run, file: &Path) -> Result<(), LabError> {
    let flows = run
        .sessions
        .iter()
        .enumerate()
        .flat_map(|(index, watched)| {
            let program = watched.workload.program;
            let flows = watched.observed.flows.iter();
            flows.map(move |flow| (index, program, flow))
        });
    let lines = flows.flat_map(|(session, program, flow)| {
        flow.arrivals.iter().map(move |arrival| ArrivalLine {
            session,
            program,
            from: &flow.from,
            to: &flow.to,
            number: arrival.number,
            at_ms: since(run.start, arrival.at),
            delay_ms: arrival.delay.map(|delay| since(Duration::ZERO, delay)),
        })
    });
    write(lines, file)
}

fn write(lines: impl Iterator<Item = impl Serialize>, file: &Path) -> Result<(), LabError> {
    let what = || format!("write {}", file.display());
    let mut writer = csv::Writer::from_path(file)
        .map_err(std::io::Error::other)
        .doing(what)?;
    for line in lines {
        writer
            .serialize(line)
            .map_err(std::io::Error::other)
            .doing(what)?;
    }
    writer.flush().doing(what)
}
