//! `ilnp-lab-end`: what answers the lab's own sessions in a virtual machine.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use experiments::workload::{probe, query};

/// Answers the lab's own sessions in a virtual machine.
#[derive(Parser)]
#[command(name = "ilnp-lab-end", version)]
struct Arguments {
    #[command(subcommand)]
    service: Service,
}

#[derive(Subcommand)]
enum Service {
    /// Sends back every datagram that comes, and datagrams of its own to who says hello.
    Udp(Probes),
    /// Sends back every record that comes on a connection, and records of its own.
    Tcp(Probes),
    /// Answers every request over HTTP with a row that it adds to a database.
    Application {
        /// The port to listen on.
        port: u16,
        /// The client program of PostgreSQL.
        psql: String,
        /// What it is to connect to.
        database: String,
    },
}

#[derive(clap::Args)]
struct Probes {
    /// The port to listen on.
    port: u16,
    /// The time from one probe of its own to the next, in microseconds; without it there are none.
    #[arg(long)]
    interval: Option<u64>,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let interval = |probes: &Probes| probes.interval.map(Duration::from_micros);
    let served = match Arguments::parse().service {
        Service::Udp(probes) => probe::serve(false, probes.port, interval(&probes)),
        Service::Tcp(probes) => probe::serve(true, probes.port, interval(&probes)),
        Service::Application {
            port,
            psql,
            database,
        } => query::serve_application(port, &psql, &database),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
