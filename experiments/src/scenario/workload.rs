//! What talks while hosts move.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units;

/// Programs that talk while hosts move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Workload {
    /// Which programs.
    pub program: Program,
    /// The host that starts the session.
    pub from: String,
    /// The host that answers.
    pub to: String,
    /// When it starts; without it, before the scenario's time begins.
    #[serde(
        with = "units::duration",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub at: Option<Duration>,
    /// Whether the program is given the name of the other host, and looks it up itself.
    #[serde(default)]
    pub by_name: bool,
    /// curl: the size of the file in octets.
    #[serde(with = "units::size", default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// curl: the speed that the server keeps to, octets a second.
    #[serde(with = "units::size", default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<u64>,
    /// udp and tcp: which way the probes go, both unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// udp and tcp: the time from one probe to the next, 1 ms unless it is said.
    #[serde(
        with = "units::duration",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub interval: Option<Duration>,
}

impl Workload {
    /// A session of a program between two hosts, with everything else as it is by default.
    pub fn new(program: Program, from: &str, to: &str) -> Self {
        Self {
            program,
            from: from.to_owned(),
            to: to.to_owned(),
            at: None,
            by_name: false,
            size: None,
            speed: None,
            direction: None,
            interval: None,
        }
    }
}

/// Which programs make the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// An OpenSSH session in which both ends print numbered lines, twenty a second.
    Ssh,
    /// curl downloads a file from nginx; the copy is compared with the original.
    Curl,
    /// Echo requests, fifty a second, `from` pings `to`.
    Ping,
    /// iperf3 sends TCP from `from` to `to` until the workloads end.
    Iperf3,
    /// Numbered datagrams of the lab's own.
    Udp,
    /// Numbered records on one TCP connection of the lab's own: shows how long TCP stalls.
    Tcp,
}

impl Program {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Curl => "curl",
            Self::Ping => "ping",
            Self::Iperf3 => "iperf3",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// Which way numbered probes go, seen from the host that starts the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the host that starts the session to the other.
    Out,
    /// From the other to the host that starts the session.
    In,
    /// Both.
    #[default]
    Both,
}
