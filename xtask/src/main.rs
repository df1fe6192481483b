//! The repository's commands: `cargo xtask demo | test | bench | bpf`.
//!
//! Each one says which Debian packages it needs, installs those that are missing, and then does its
//! work. Exit status: 0 done, 1 failed, 2 wrong usage.

mod bounded;
mod bpf;
mod debian;
mod step;
mod unpacked;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::debian::Need;
use crate::step::Profile;

#[derive(Parser)]
#[command(name = "cargo xtask", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// All of them need root: they make network namespaces, load BPF programs and install packages.
#[derive(Subcommand)]
enum Command {
    /// Show a running virtual machine that moves to another site: over plain IPv6 its sessions die,
    /// over ILNP they go on, and hosts are found by name.
    Demo,
    /// Run every test: unit, property, simulation, differential, end to end, conformance.
    Test {
        /// Run only the tests whose name contains this.
        filter: Option<String>,
    },
    /// Build the BPF object anew.
    Bpf {
        /// Change nothing; fail when the committed object differs.
        #[arg(long)]
        check: bool,
    },
    /// Measure what SPECIFICATION.md promises, and print target and result.
    Bench {
        /// Print one JSON document instead of a table.
        #[arg(long)]
        json: bool,
        /// Measure only these lines; all of them when none is named.
        lines: Vec<String>,
    },
    /// Run a program that must end in time and leave nothing behind: what `test` runs tests with.
    #[command(hide = true)]
    Bounded {
        /// How long it may take, in seconds.
        limit: u64,
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

impl Command {
    const fn needs(&self) -> &'static [&'static [Need]] {
        match self {
            Self::Demo | Self::Bench { .. } => &[debian::LAB, debian::NAMES],
            Self::Bpf { .. } => &[debian::BPF],
            Self::Bounded { .. } => &[],
            Self::Test { .. } => &[
                debian::LAB,
                debian::NAMES,
                debian::JUDGE,
                debian::RESOLVERS,
                debian::LIBVIRT,
            ],
        }
    }

    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Demo => {
                step::build(Profile::Dev)?;
                let lab = &mut step::program(Profile::Dev, "ilnp-lab");
                step::run(&mut step::bounded(lab.arg("demo")))
            }
            Self::Test { filter } => {
                unpacked::unpack_missing()?;
                step::build(Profile::Dev)?;
                let examples = ["test", "--workspace", "--doc"];
                step::run(&mut step::bounded(
                    step::cargo().args(examples).args(&filter),
                ))?;
                // One run tells all that fails.
                let rest = ["--lib", "--bins", "--tests", "--no-fail-fast"];
                step::run(step::tests()?.args(rest).args(&filter))
            }
            Self::Bpf { check } => bpf::run(check),
            Self::Bounded { limit, words } => bounded::run(Duration::from_secs(limit), &words),
            Self::Bench { json, lines } => {
                step::build(Profile::Release)?;
                let json = json.then_some("--json");
                step::run(
                    step::program(Profile::Release, "ilnp-bench")
                        .args(json)
                        .args(lines),
                )
            }
        }
    }
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    if !nix::unistd::Uid::effective().is_root() {
        step::say("error: this needs root, for network namespaces and BPF: run it as root");
        return ExitCode::from(2);
    }
    let done = debian::install_missing(command.needs()).and_then(|()| command.run());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            step::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
