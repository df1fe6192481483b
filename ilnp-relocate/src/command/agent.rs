//! `ilnp-relocate agent`

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::{config, daemon};

/// Runs in the foreground and logs to standard error (RUST_LOG sets what). SIGTERM stops it; guests
/// go on running, and the next agent finds them. SIGHUP rereads configuration and certificates.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
    /// Say what is wrong with the configuration, and exit
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    if options.check {
        return daemon::check(&options.config);
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    daemon::run(&options.config).await
}
