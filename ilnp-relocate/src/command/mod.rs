//! The command `ilnp-relocate`: one file a verb, each with its text for people.

mod abort;
mod agent;
mod moving;
mod prepare;
mod report;
mod start;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ilnp_service::client::Client;
use ilnp_service::output::{self, Output};

use crate::config::{ConfigError, DEFAULT_SOCKET};
use crate::pki;

/// What the daemon is called, for those who look for it.
const DAEMON: &str = "ilnp-relocate agent";

/// Moves running virtual machines between sites.
#[derive(Debug, Parser)]
#[command(name = "ilnp-relocate", version, about, arg_required_else_help = true)]
pub struct Arguments {
    /// The agent's control socket
    #[arg(long, global = true, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Print JSON: one document, or one a line for streams
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the agent of this site
    Agent(agent::Options),
    /// Start a guest at this site
    Start(start::Options),
    /// Move a running guest to another site
    Move(moving::Options),
    /// Check a move as --dry-run does, and tell the guest and its correspondents where it will be
    Prepare(prepare::Options),
    /// How a guest stands
    Status(status::Options),
    /// All guests of this site
    List,
    /// Give up the relocation of a guest that goes on, or what it is prepared for
    Abort(abort::Options),
    /// What happened in relocations from this site
    Report(report::Options),
    /// Make and revoke the certificates by which agents know each other
    #[command(subcommand)]
    Pki(pki::Verb),
}

/// Runs the command.
///
/// # Errors
/// What went wrong, for people. A reader that closes its pipe is no error.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let output = Output::new(arguments.json);
    let client = Client::new(arguments.socket, DAEMON);
    let done = match arguments.verb {
        Verb::Agent(options) => agent::run(&options).await,
        Verb::Start(options) => start::run(&client, &output, &options).await,
        Verb::Move(options) => moving::run(&client, &output, options).await,
        Verb::Prepare(options) => prepare::run(&client, &output, &options).await,
        Verb::Status(options) => status::run(&client, &output, &options).await,
        Verb::List => status::list(&client, &output).await,
        Verb::Abort(options) => abort::run(&client, &output, &options).await,
        Verb::Report(options) => report::run(&client, &output, &options).await,
        Verb::Pki(verb) => match verb.run(output.json()) {
            Ok(text) => output.line(text.trim_end()),
            Err(error) => Err(error.into()),
        },
    };
    match done {
        Err(error) if output::is_broken_pipe(&error) => Ok(()),
        done => done,
    }
}

/// The resource of a guest, with what follows.
fn path(guest: &str, rest: &str) -> String {
    format!("/v1/guests/{}{rest}", encoded(guest))
}

/// A name as a part of a path: whatever is typed is one name.
fn encoded(name: &str) -> String {
    let plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_.~".contains(octet);
    name.bytes()
        .map(|octet| match plain(&octet) {
            true => char::from(octet).to_string(),
            false => format!("%{octet:02X}"),
        })
        .collect()
}

/// The exit status of a failure: 2 for a configuration with mistakes, else 1.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<ConfigError>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}
