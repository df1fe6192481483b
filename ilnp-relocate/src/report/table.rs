//! A report for people.

use std::fmt::Write as _;

use super::{Outcome, Phase, Report};
use crate::config::quantity;

/// A report as a table.
#[must_use]
pub fn table(report: &Report) -> String {
    let Report {
        guest, from, to, ..
    } = report;
    let outcome = match report.outcome {
        None => format!("is being moved from {from} to {to}"),
        Some(Outcome::Moved) => format!("moved from {from} to {to}"),
        Some(Outcome::Failed) => format!("was not moved from {from} to {to}, and runs at {from}"),
    };
    let mut text = format!("{guest} {outcome} (relocation {})\n", report.relocation);
    let mut row = |name: &str, value: String| {
        // A String takes everything.
        let _ = writeln!(text, "  {name:<24}{value}");
    };
    if let Some(reason) = &report.reason {
        row("reason", reason.clone());
    }
    match &report.unprepared {
        None if report.soft => row("told in advance", "yes".to_owned()),
        None => {}
        Some(why) => row("told in advance", format!("no: {why}")),
    }
    for times in &report.phases {
        let took = times
            .took_ms
            .map_or_else(String::new, |took| format!("{took:>10.1} ms"));
        row(
            phase(times.phase),
            format!("{took:<14}at {:>10.1} ms", times.at_ms),
        );
    }
    row("sent, memory", quantity::show(report.sent.memory));
    row("sent, disks", quantity::show(report.sent.disks));
    row("sent, all copies", quantity::show(report.sent.copies));
    if let Some(downtime) = report.downtime_ms {
        row(
            "downtime",
            format!("{downtime:>10.1} ms (by the hypervisor)"),
        );
    }
    if let Some(stopped) = report.stopped_ms {
        row("stop to told running", format!("{stopped:>10.1} ms"));
    }
    for told in &report.told {
        row(
            &told.event,
            format!("{:>10.1} ms after the guest noticed", told.after_ms),
        );
    }
    text
}

/// A phase for people.
pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Prepare => "prepare",
        Phase::Disks => "disks",
        Phase::Memory => "memory",
        Phase::Stop => "stop",
        Phase::Resume => "resume",
        Phase::TakeBack => "take back",
    }
}
