//! Starts the command.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use ilnp_hostd::command::{self, Arguments};
use ilnp_service::explain::explain;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match command::run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may read standard error either.
            let _ = writeln!(std::io::stderr(), "ilnp: {}", explain(&error));
            ExitCode::FAILURE
        }
    }
}
