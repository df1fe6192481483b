//! The researcher's tool: runs scenarios and says what a move costs.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use experiments::demo;
use experiments::interrupt::Interrupt;
use experiments::lab::Options;
use experiments::report::Report;
use experiments::run;
use experiments::scenario::{self, LoadError, Protocol, Scenario};
use experiments::topology::remove_leftovers;
use tracing_subscriber::EnvFilter;

/// Sites, links, hosts and moves in network namespaces, with real programs as workloads.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs a scenario and reports what its moves cost.
    Run {
        /// The scenario.
        scenario: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Says what is wrong with a scenario, without running it.
    Check {
        /// The scenario.
        scenario: PathBuf,
    },
    /// Moves a running virtual machine to another site under ssh, curl, UDP and TCP, over plain IPv6
    /// and over ILNP, and then a host while others find it by name.
    Demo {
        #[command(flatten)]
        output: Output,
    },
    /// Removes what runs that were killed left behind.
    Clean,
}

#[derive(clap::Args)]
struct Output {
    /// The folder for reports, captures and logs [default: ilnp-lab-results/NAME].
    #[arg(long)]
    out: Option<PathBuf>,
    /// The folder that holds ilnp-hostd and ilnp [default: that of this program].
    #[arg(long)]
    bin_dir: Option<PathBuf>,
    /// Print each report as a line of JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
    match perform(&arguments.verb) {
        Ok(code) => code,
        Err(error) => {
            // Where even standard error is gone, nobody is left to be told.
            let _ = writeln!(std::io::stderr(), "ilnp-lab: {error:#}");
            let wrong_scenario = error.downcast_ref::<LoadError>().is_some();
            ExitCode::from(if wrong_scenario { 2 } else { 1 })
        }
    }
}

fn perform(verb: &Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Run { scenario, output } => {
            let scenario = scenario::load(scenario)?;
            run_all(&[scenario], output)
        }
        Verb::Check { scenario } => {
            let loaded = scenario::load(scenario)?;
            print(&format!(
                "{}: {} is valid\n",
                scenario.display(),
                loaded.name
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Demo { output } => run_all(&demo::scenarios()?, output),
        Verb::Clean => {
            let removed = remove_leftovers()?;
            print(&format!("{removed} namespaces and folders removed\n"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs scenarios one after the other, the first into the folder of the output and each other into
/// a folder below it. It fails when a session over ILNP died or a name server was wrong.
fn run_all(scenarios: &[Scenario], output: &Output) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::on_signals()?;
    let name_of = |scenario: &Scenario| file_name(&scenario.name);
    let first = scenarios.first().map(name_of).unwrap_or_default();
    let top = output.out.clone();
    let top = top.unwrap_or_else(|| Path::new("ilnp-lab-results").join(first));
    let folders = (0..).zip(scenarios).map(|(index, scenario)| match index {
        0 => top.clone(),
        _ => top.join(name_of(scenario)),
    });
    let plan: Vec<(&Scenario, PathBuf)> = scenarios.iter().zip(folders).collect();
    for (scenario, out) in &plan {
        for &protocol in scenario.protocol.each() {
            run::check(scenario, protocol, &options(protocol, out, output))?;
        }
    }
    let mut success = true;
    for (scenario, out) in &plan {
        success &= run_and_report(scenario, out, output, &interrupt)?;
    }
    Ok(if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn options(protocol: Protocol, out: &Path, output: &Output) -> Options {
    Options {
        out: out.join(protocol.key()),
        bin_dir: output.bin_dir.clone(),
    }
}

/// Runs a scenario over each protocol that it asks for, and returns whether all went well.
fn run_and_report(
    scenario: &Scenario,
    out: &Path,
    output: &Output,
    interrupt: &Interrupt,
) -> anyhow::Result<bool> {
    let mut runs = vec![];
    for &protocol in scenario.protocol.each() {
        tracing::info!("{} over {}", scenario.name, protocol.title());
        let result = run::run(
            scenario,
            protocol,
            &options(protocol, out, output),
            interrupt,
        );
        runs.push(result.with_context(|| format!("the run over {} failed", protocol.title()))?);
    }
    let report = Report::new(scenario, &runs);
    report.write(&runs, out)?;
    let text = if output.json {
        serde_json::to_string(&report)? + "\n"
    } else {
        format!(
            "{}\nReports, captures and logs: {}\n\n",
            report.table(),
            out.display()
        )
    };
    print(&text)?;
    Ok(report.is_success())
}

/// The name of a scenario, fit for a folder.
fn file_name(name: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(fit).collect()
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .context("cannot write the report")
}
