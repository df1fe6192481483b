//! The command `ilnp`: one file a verb, each with its text for people.

mod correspondents;
mod counters;
mod identity;
mod locators;
mod monitor;
mod moving;
mod ping;
mod replay;
mod resolve;
mod sessions;
mod status;
mod version;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use ilnp_service::client::Client;
use ilnp_service::output::{self, Output};

/// Shows and steers the ILNP daemon of this host.
#[derive(Debug, Parser)]
#[command(name = "ilnp", version, about, arg_required_else_help = true)]
pub struct Arguments {
    /// The daemon's control socket
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = "/run/ilnp/hostd.sock"
    )]
    socket: PathBuf,
    /// Print JSON: one document, or one a line for streams
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Who this host is, and whether ILNP works
    Status,
    /// Whom this host talks to, and where they are
    Correspondents,
    /// Where this host is
    Locators,
    /// TCP and UDP sessions with correspondents
    Sessions,
    /// Events as they happen
    Monitor,
    /// Packets by fate, drops by reason
    Counters,
    /// Keep the identifier of this host, or take a new one
    #[command(subcommand)]
    Identity(identity::Options),
    /// Act now as if the host had moved
    Move(moving::Options),
    /// Ask a correspondent for an echo, and say which Locators were used
    Ping(ping::Options),
    /// What DNS holds for a name, and what the daemon makes of it
    Resolve(resolve::Options),
    /// Play a recording of `ilnp-hostd --record` back
    Replay(replay::Options),
    /// The version of this command
    Version,
}

/// Runs the command.
///
/// # Errors
/// What went wrong, for people. A reader that closes its pipe is no error.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let output = Output::new(arguments.json);
    let client = Client::new(arguments.socket, "ilnp-hostd");
    let done = match arguments.verb {
        Verb::Status => status::run(&client, &output).await,
        Verb::Correspondents => correspondents::run(&client, &output).await,
        Verb::Locators => locators::run(&client, &output).await,
        Verb::Sessions => sessions::run(&client, &output).await,
        Verb::Monitor => monitor::run(&client, &output).await,
        Verb::Counters => counters::run(&client, &output).await,
        Verb::Identity(options) => identity::run(&client, &output, options).await,
        Verb::Move(options) => moving::run(&client, &output, options).await,
        Verb::Ping(options) => ping::run(&client, &output, options).await,
        Verb::Resolve(options) => resolve::run(&client, &output, options).await,
        Verb::Replay(options) => replay::run(&output, &options),
        Verb::Version => version::run(&output),
    };
    match done {
        Err(error) if output::is_broken_pipe(&error) => Ok(()),
        done => done,
    }
}
