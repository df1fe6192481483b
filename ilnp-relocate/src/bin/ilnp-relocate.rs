//! Starts the agent or the command.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use ilnp_relocate::command::{self, Arguments};
use ilnp_service::explain::explain;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match command::run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may read standard error.
            let _ = writeln!(std::io::stderr(), "ilnp-relocate: {}", explain(&error));
            command::exit_code(&error)
        }
    }
}
