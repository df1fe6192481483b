//! Starts the daemon.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ilnp_hostd::config::{self, ConfigError};
use ilnp_hostd::daemon;
use ilnp_service::explain::explain;
use tracing_subscriber::EnvFilter;

/// Gives this host an address for life: the ILNPv6 daemon.
///
/// Runs in the foreground and logs to standard error (RUST_LOG sets what). SIGTERM stops it and
/// undoes what it did to the host; sessions end. A daemon that is killed with SIGKILL leaves
/// everything in place: sessions go on, and the next daemon takes them over. SIGHUP rereads the
/// configuration.
#[derive(Debug, Parser)]
#[command(name = "ilnp-hostd", version)]
struct Arguments {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
    /// Say what is wrong with the configuration, and exit
    #[arg(long, conflicts_with_all = ["cleanup", "forget_identity", "record"])]
    check: bool,
    /// Remove what an earlier run left: the interface, programs, pins, routes and tokens
    #[arg(long, conflicts_with_all = ["forget_identity", "record"])]
    cleanup: bool,
    /// Make a new identifier at the next start: for an image before it is copied, and for a copy.
    /// Does what --cleanup does, too
    #[arg(long, conflicts_with = "record")]
    forget_identity: bool,
    /// Record all inputs in a new FILE for `ilnp replay`; it holds Nonces
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log();
    let done = if arguments.check {
        daemon::check(&arguments.config)
    } else if arguments.cleanup {
        daemon::clean_up(&arguments.config)
    } else if arguments.forget_identity {
        daemon::forget_identity(&arguments.config)
    } else {
        daemon::run(&arguments.config, arguments.record.as_deref())
    };
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    // Nobody may read standard error.
    let _ = writeln!(std::io::stderr(), "ilnp-hostd: {}", explain(&error));
    if error.is::<ConfigError>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
