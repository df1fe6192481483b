//! Measures what SPECIFICATION.md promises, and prints target and result.
//!
//! Exit status: 0 every target is reached, 1 one is missed or a measurement failed, 2 wrong usage.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use tests::bench::LINES;
use tests::bench::report::Figure;

#[derive(Parser)]
#[command(about)]
struct Arguments {
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
    /// What to measure; everything when nothing is named.
    #[arg(value_parser = PossibleValuesParser::new(LINES.iter().map(|(name, _)| *name)))]
    lines: Vec<String>,
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every target was reached. A line that cannot be measured does not keep the
/// others from it.
fn measure(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    let mut figures: Vec<Figure> = vec![];
    let mut failed = false;
    let selected = |name| arguments.lines.is_empty() || arguments.lines.iter().any(|l| l == name);
    for (name, line) in LINES.iter().filter(|(name, _)| selected(name)) {
        match line() {
            Ok(measured) => {
                if !arguments.json {
                    for figure in &measured {
                        writeln!(out, "{}", figure.row())?;
                    }
                }
                figures.extend(measured);
            }
            Err(error) => {
                failed = true;
                writeln!(std::io::stderr(), "error: {name}: {error:#}")?;
            }
        }
    }
    if arguments.json {
        let document = serde_json::json!({ "schema": 1, "figures": figures });
        writeln!(out, "{document}")?;
    }
    Ok(!failed && figures.iter().all(Figure::is_reached))
}
