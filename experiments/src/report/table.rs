//! The report as a table for people.

use std::fmt::Write;

use ilnp_core::id::Locator;

use super::interruption::rank;
use super::{Beside, FlowReport, Kind, MoveReport, Report, RunReport, SessionReport};
use crate::measure::flow::Unit;
use crate::scenario::Program;

/// The whole report.
pub(super) fn of(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail, here and below.
    let _ = writeln!(text, "{}", report.scenario);
    text.push('\n');
    text.push_str(&sessions(report));
    for run in report.runs.iter().filter(|run| !run.moves.is_empty()) {
        let _ = writeln!(text, "\nMoves over {}", run.protocol.title());
        text.push_str(&moves(run));
    }
    for run in &report.runs {
        if !run.interruptions.is_empty() {
            let _ = writeln!(text, "\nWhat moves cost over {}", run.protocol.title());
            text.push_str(&interruptions(run));
        }
    }
    for run in report.runs.iter().filter(|run| !run.neighbours.is_empty()) {
        let title = run.protocol.title();
        let _ = writeln!(text, "\nNeighbours before and during copies over {title}");
        text.push_str(&neighbours(run));
    }
    if let Some(published) = &report.published {
        let _ = writeln!(text, "\nPublished: {published}");
    }
    for run in report.runs.iter().filter(|run| !run.names.is_empty()) {
        let _ = writeln!(text, "\nNames at the end over {}", run.protocol.title());
        text.push_str(&names(run));
    }
    text
}

/// The runs side by side, a line for each session.
fn sessions(report: &Report) -> String {
    let mut rows = vec![vec!["session".to_owned()], vec![String::new()]];
    for run in &report.runs {
        rows[0].extend([
            run.protocol.title().to_owned(),
            String::new(),
            String::new(),
        ]);
        rows[1].extend(["result", "longest gap", "lost"].map(str::to_owned));
    }
    let most = report.runs.iter().map(|run| run.sessions.len()).max();
    for index in 0..most.unwrap_or(0) {
        let of_runs = report.runs.iter().map(|run| run.sessions.get(index));
        let first = of_runs.clone().flatten().next();
        let mut row = vec![first.map(name).unwrap_or_default()];
        for session in of_runs {
            row.extend(session.map_or_else(Default::default, result));
        }
        rows.push(row);
    }
    let mut text = aligned(&rows);
    for run in &report.runs {
        for session in &run.sessions {
            if let Some(reached) = session.reached {
                let seconds = session.started_ms / 1e3;
                let _ = writeln!(
                    text,
                    "  {}: started at {seconds:.1} s, its first packet went to {reached}",
                    name(session)
                );
            }
            let title = run.protocol.title();
            if session.program == Program::Query {
                let _ = writeln!(text, "  {title}: {}: {}", name(session), requests(session));
            }
            if let Some(reason) = &session.reason {
                let _ = writeln!(text, "  {title}: {}: {reason}", name(session));
            }
        }
    }
    text
}

fn name(session: &SessionReport) -> String {
    format!(
        "{} {} -> {}{}",
        session.program.name(),
        session.from,
        session.to,
        if session.by_name { " by name" } else { "" },
    )
}

/// What the users of an application met with.
fn requests(session: &SessionReport) -> String {
    let flows = || session.flows.iter();
    let sent: u64 = flows().filter_map(|flow| flow.sent).sum();
    let lost: u64 = flows().filter_map(|flow| flow.lost).sum();
    let waits = flows().filter_map(|flow| flow.longest_delay_ms);
    format!(
        "{} users, {sent} requests, {lost} without an answer, longest wait for one {}",
        session.flows.len(),
        milliseconds(waits.fold(0.0, f64::max)),
    )
}

fn result(session: &SessionReport) -> [String; 3] {
    let verdict = match (session.survived, session.intact) {
        (true, Some(true)) => "alive, intact",
        (true, _) => "alive",
        (false, _) => "DEAD",
    };
    let lost: Vec<String> = session.flows.iter().map(lost).collect();
    [
        verdict.to_owned(),
        milliseconds(session.longest_gap_ms()),
        lost.join(" / "),
    ]
}

/// How many packets of a flow were lost; what a reliable stream loses it sends again.
fn lost(flow: &FlowReport) -> String {
    match (flow.unit, flow.lost, flow.sent) {
        (Unit::Packets, Some(lost), Some(sent)) => format!("{lost} of {sent}"),
        _ => "-".to_owned(),
    }
}

/// A line for each move, with the gap of every session and with times from its cut or, for a soft move, from its new attachment.
fn moves(run: &RunReport) -> String {
    let mut rows = vec![
        ["move", "at", "usable", "update", "ack"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let measured: Vec<(&SessionReport, &FlowReport)> = run
        .sessions
        .iter()
        .filter_map(|session| Some((session, at_correspondent(session, run)?)))
        .collect();
    let relocated = run.moves.iter().any(|step| step.relocation.is_some());
    if relocated {
        rows[0].extend(["copy", "sent", "down"].map(str::to_owned));
    }
    let servers = servers(run);
    rows[0].extend(servers.iter().map(|server| format!("L64 at {server}")));
    for (session, flow) in &measured {
        rows[0].push(format!("{} at {}", session.program.name(), flow.to));
    }
    for (index, step) in run.moves.iter().enumerate() {
        let begin = begin(step);
        let after = |time: Option<f64>| {
            time.map_or_else(
                || "-".to_owned(),
                |time| format!("+{}", milliseconds(time - begin)),
            )
        };
        let kind = Kind::of(step).title();
        let mut row = vec![
            format!("{} {} -> {} ({kind})", index + 1, step.host, step.to),
            format!("{:.2} s", begin / 1e3),
            after(step.usable_ms),
            after(step.updated_ms),
            after(step.acknowledged_ms),
        ];
        if relocated {
            row.extend(relocation(step));
        }
        row.extend(servers.iter().map(|server| {
            let mut places = step.published.iter();
            after(
                places
                    .find(|place| place.server == *server)
                    .and_then(|p| p.visible_ms),
            )
        }));
        for (_, flow) in &measured {
            let gap = flow.moves.get(index).copied().flatten();
            row.push(gap.map_or_else(|| "-".to_owned(), |gap| milliseconds(gap.gap_ms)));
        }
        rows.push(row);
    }
    aligned(&rows)
}

/// How long the copy of a running virtual machine took, how much was sent, and for how long it stood
/// still by QEMU's account.
fn relocation(step: &MoveReport) -> [String; 3] {
    let none = || "-".to_owned();
    step.relocation.as_ref().map_or_else(
        || [none(), none(), none()],
        |one| {
            [
                milliseconds(one.copied_ms()),
                format!("{} MiB", one.sent.copies >> 20),
                one.downtime_ms.map_or_else(none, milliseconds),
            ]
        },
    )
}

/// A line for each measure and each kind of moves.
fn interruptions(run: &RunReport) -> String {
    let header = ["measure", "moves", "n", "median", "9 of 10", "largest"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for one in &run.interruptions {
        rows.push(vec![
            one.measure.clone(),
            one.moves.title().to_owned(),
            one.values_ms.len().to_string(),
            milliseconds(one.median_ms),
            milliseconds(one.ninth_decile_ms),
            milliseconds(one.largest_ms),
        ]);
    }
    aligned(&rows)
}

/// A line for each direction of sessions between hosts that stay: medians of all moves.
fn neighbours(run: &RunReport) -> String {
    let header = [
        "session",
        "n",
        "a second",
        "during",
        "of before",
        "delay",
        "during",
        "of before",
        "9 of 10",
        "during",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for one in &run.neighbours {
        for flow in &one.flows {
            let all = |value: fn(&Beside) -> Option<f64>, digits: usize| {
                let mut values: Vec<f64> = flow.moves.iter().filter_map(value).collect();
                values.sort_by(f64::total_cmp);
                rank(&values, 5).map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
            };
            let name = format!("{} {} -> {}", one.program.name(), flow.from, flow.to);
            rows.push(vec![
                name,
                flow.moves.len().to_string(),
                all(|one| Some(one.before.per_second), 1),
                all(|one| Some(one.during.per_second), 1),
                all(|one| Some(one.throughput()), 3),
                all(|one| one.before.delay_ms, 3),
                all(|one| one.during.delay_ms, 3),
                all(Beside::delay, 3),
                all(|one| one.before.ninth_decile_ms, 3),
                all(|one| one.during.ninth_decile_ms, 3),
            ]);
        }
    }
    aligned(&rows)
}

/// The name servers that hosts which move are published at.
fn servers(run: &RunReport) -> Vec<&str> {
    let mut servers = vec![];
    for place in run.moves.iter().flat_map(|step| &step.published) {
        if !servers.contains(&place.server.as_str()) {
            servers.push(place.server.as_str());
        }
    }
    servers
}

/// A line for each name at each server: what each program sees, and whether it is right.
fn names(run: &RunReport) -> String {
    let mut text = String::new();
    for one in &run.names {
        let _ = write!(text, "{} at {} ({}): ", one.name, one.server, one.software);
        if one.is_right() {
            let programs: Vec<&str> = one.seen.iter().map(|s| s.program.as_str()).collect();
            let _ = writeln!(text, "{}, by {}", words(&one.expected), programs.join(", "));
            continue;
        }
        let _ = write!(text, "WRONG, is {}", words(&one.expected));
        for seen in &one.seen {
            let _ = write!(text, "; {} sees {}", seen.program, words(&seen.locators));
        }
        text.push('\n');
    }
    text
}

fn words(locators: &[Locator]) -> String {
    if locators.is_empty() {
        return "nothing".to_owned();
    }
    let words: Vec<String> = locators.iter().map(ToString::to_string).collect();
    words.join(" ")
}

/// The direction of a session towards a host that stays, when there is one.
fn at_correspondent<'a>(session: &'a SessionReport, run: &RunReport) -> Option<&'a FlowReport> {
    let moves = |name: &str| run.moves.iter().any(|step| step.host == name);
    let staying = session.flows.iter().find(|flow| !moves(&flow.to));
    staying.or_else(|| session.flows.first())
}

fn begin(step: &MoveReport) -> f64 {
    step.cut_ms.min(step.attached_ms)
}

fn milliseconds(time: f64) -> String {
    if time < 9_999.5 {
        format!("{time:.0} ms")
    } else {
        format!("{:.1} s", time / 1e3)
    }
}

/// Rows with their columns aligned: the first to the left, the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
