//! Starts the name server.

use std::io::{IsTerminal as _, Write as _};
use std::panic;
use std::path::PathBuf;
use std::process::{self, ExitCode};

use clap::Parser;
use ilnp_dns::server::{self, config};
use ilnp_service::mistake::FileError;
use tracing_subscriber::EnvFilter;

/// Answers for zones with ILNP records, and lets hosts change their own: the authoritative server.
///
/// Runs in the foreground and logs to standard error (RUST_LOG sets what). SIGTERM stops it, SIGHUP
/// rereads the configuration. An update is on disk before its sender hears that it succeeded.
#[derive(Debug, Parser)]
#[command(name = "ilnp-dnsd", version)]
struct Arguments {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
    /// Say what is wrong with the configuration and the master files that it names, and exit
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log();
    end_with_any_thread();
    let done = match arguments.check {
        true => server::check(&arguments.config),
        false => server::run(&arguments.config),
    };
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    // Nobody may read standard error.
    let _ = writeln!(std::io::stderr(), "ilnp-dnsd: {error:#}");
    if error.is::<FileError>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

/// A server that lost the thread of its updates would go on as if nothing had happened; one that is
/// gone is started again.
fn end_with_any_thread() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        report(panic);
        process::abort();
    }));
}

fn start_log() {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,hickory_server=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
