//! `ilnp-lab-end`: the ends of the lab's own sessions in virtual machines.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use experiments::scenario::Direction;
use experiments::workload::{probe, query};

/// The ends of the lab's own sessions in virtual machines.
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
    /// Sends probes to one of the two above, and writes down what comes back.
    Ask {
        /// What carries them.
        over: Over,
        /// Who answers: an address and a port.
        remote: SocketAddr,
        /// The file to write to.
        file: PathBuf,
        /// The time from one probe to the next, in microseconds.
        #[arg(long)]
        interval: u64,
        /// The octets of each probe.
        #[arg(long)]
        length: u16,
    },
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

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Over {
    Udp,
    Tcp,
}

#[derive(clap::Args)]
struct Probes {
    /// The port to listen on.
    port: u16,
    /// The time from one probe of its own to the next, in microseconds; without it there are none.
    #[arg(long)]
    interval: Option<u64>,
    /// The octets of each probe.
    #[arg(long)]
    length: u16,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let own = |probes: &Probes| probe::Own {
        interval: probes.interval.map(Duration::from_micros),
        length: probes.length,
    };
    let served = match Arguments::parse().service {
        Service::Udp(probes) => probe::serve(false, probes.port, own(&probes)),
        Service::Tcp(probes) => probe::serve(true, probes.port, own(&probes)),
        Service::Ask {
            over,
            remote,
            file,
            interval,
            length,
        } => {
            let settings = probe::Settings {
                over_tcp: over == Over::Tcp,
                direction: Direction::Out,
                interval: Duration::from_micros(interval),
                length,
            };
            probe::ask(&settings, remote, &file)
        }
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
