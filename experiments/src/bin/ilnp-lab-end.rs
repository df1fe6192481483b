//! `ilnp-lab-end`: the far end of the lab's probes, in a virtual machine.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use experiments::workload::probe::serve;

/// Sends back every probe that comes, and probes of its own to who says hello.
#[derive(Parser)]
#[command(name = "ilnp-lab-end", version)]
struct Arguments {
    /// What carries the probes.
    over: Over,
    /// The port to listen on.
    port: u16,
    /// The time from one probe of its own to the next, in microseconds; without it there are none.
    #[arg(long)]
    interval: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Over {
    Udp,
    Tcp,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let Arguments {
        over,
        port,
        interval,
    } = Arguments::parse();
    let interval = interval.map(Duration::from_micros);
    match serve(over == Over::Tcp, port, interval) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
