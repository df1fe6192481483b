//! What talks while hosts move.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::validate::{Invalid, Path};
use super::{Host, Scenario, units};

/// Whether a shorter one survives nobody can tell.
const SHORTEST_SESSION: Duration = Duration::from_secs(2);
const LARGEST_FILE: u64 = 4_000_000_000;
const SHORTEST_PROBE: u64 = 64;
/// What fits a link of 1500 octets behind every header and a Nonce.
const LONGEST_DATAGRAM: u64 = 1400;
const LONGEST_RECORD: u64 = 64_000;

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
    /// curl: the size of the file in octets. udp and tcp: that of each probe, 64 unless it is said.
    #[serde(with = "units::size", default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// curl: the speed that the server keeps to, octets a second.
    #[serde(with = "units::size", default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<u64>,
    /// udp and tcp: which way the probes go, both unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// udp and tcp: the time from one probe to the next, 1 ms unless it is said. query: the time
    /// from one request of a user to the next, 20 ms unless it is said, or later when the answer is.
    #[serde(
        with = "units::duration",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub interval: Option<Duration>,
    /// query: the hosts of the application and of the database behind the web server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiers: Option<[String; 2]>,
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
            tiers: None,
        }
    }

    /// The hosts that answer: `to`, and those behind it.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &str> {
        let behind = self.tiers.iter().flatten();
        std::iter::once(self.to.as_str()).chain(behind.map(String::as_str))
    }
}

impl Scenario {
    /// Checks a workload, which stands at a place of the scenario.
    pub(super) fn validate_workload(&self, workload: &Workload, at: &Path) -> Result<(), Invalid> {
        let from = self.check_host(&at.key("from"), &workload.from)?;
        let to = self.check_host(&at.key("to"), &workload.to)?;
        if from.vm.is_some() {
            self.validate_from_machine(workload, to, at)?;
        }
        at.key("program").check(
            to.vm.is_none() || workload.program != Program::Iperf3,
            "a virtual machine answers every program but iperf3",
        )?;
        at.key("to")
            .check(workload.from != workload.to, "a session needs two hosts")?;
        at.key("at").check(
            workload
                .at
                .is_none_or(|at| at + SHORTEST_SESSION <= self.duration),
            "a session begins two seconds before the run ends, or earlier",
        )?;
        if workload.by_name {
            self.validate_by_name(workload, &at.key("by-name"))?;
        }
        validate_sizes(workload, at)?;
        let is_probe = workload.program.is_probe();
        at.key("direction").check(
            workload.direction.is_none() || is_probe,
            "only udp and tcp have a `direction`",
        )?;
        let is_query = workload.program == Program::Query;
        at.key("interval").check(
            workload.interval.is_none() || is_probe || is_query,
            "only udp, tcp and query have an `interval`",
        )?;
        let bounds = Duration::from_micros(100)..=Duration::from_secs(10);
        at.key("interval").check(
            workload.interval.is_none_or(|time| bounds.contains(&time)),
            "probes and requests are sent every 100 us to 10 s",
        )?;
        self.validate_tiers(workload, at)
    }

    /// What a virtual machine can start: probes to another one, whose answers it writes down by its
    /// own clock, which would not go on evenly if it moved.
    fn validate_from_machine(
        &self,
        workload: &Workload,
        to: &Host,
        at: &Path,
    ) -> Result<(), Invalid> {
        let from = &workload.from;
        at.key("from").check(
            workload.program.is_probe() && to.vm.is_some(),
            format_args!(
                "\"{from}\" is a virtual machine, and those answer sessions, and start udp and tcp \
                 to other virtual machines"
            ),
        )?;
        at.key("from").check(
            self.moves.iter().all(|step| step.host != *from),
            format_args!("\"{from}\" moves, and a virtual machine that does starts no sessions"),
        )?;
        at.key("direction").check(
            workload.direction == Some(Direction::Out),
            "probes of a virtual machine go out and come back: direction = \"out\"",
        )?;
        at.key("by-name").check(
            !workload.by_name,
            format_args!("\"{from}\" is a virtual machine, and those look no names up"),
        )
    }

    /// A query is answered by three virtual machines, the one at `to` among them.
    fn validate_tiers(&self, workload: &Workload, at: &Path) -> Result<(), Invalid> {
        let tiers = at.key("tiers");
        let Some(names) = &workload.tiers else {
            return at.check(
                workload.program != Program::Query,
                "query needs `tiers`: the hosts of the application and of the database",
            );
        };
        tiers.check(workload.program == Program::Query, "only query has `tiers`")?;
        for name in names.iter().chain([&workload.to]) {
            tiers.check(
                self.check_host(&tiers, name)?.vm.is_some(),
                format_args!("\"{name}\" is no virtual machine, as every tier of query is"),
            )?;
        }
        let [application, database] = names;
        tiers.check(
            application != database && !names.contains(&workload.to),
            "web server, application and database are three hosts",
        )
    }
}

fn validate_sizes(workload: &Workload, at: &Path) -> Result<(), Invalid> {
    let is_curl = workload.program == Program::Curl;
    let is_probe = workload.program.is_probe();
    at.key("size").check(
        workload.size.is_some() == is_curl || is_probe,
        "curl needs `size`, udp and tcp may have it, and no other program has it",
    )?;
    at.key("speed").check(
        workload.speed.is_some() == is_curl,
        "curl needs `speed`, and no other program has it",
    )?;
    let probes = match workload.program {
        Program::Udp => SHORTEST_PROBE..=LONGEST_DATAGRAM,
        _ => SHORTEST_PROBE..=LONGEST_RECORD,
    };
    at.key("size").check(
        !is_probe || workload.size.is_none_or(|size| probes.contains(&size)),
        format_args!("a probe has {} to {} octets", probes.start(), probes.end()),
    )?;
    for (key, value) in [("size", workload.size), ("speed", workload.speed)] {
        at.key(key).check(
            value.is_none_or(|value| (1..=LARGEST_FILE).contains(&value)),
            "a file, and a speed a second, has up to 4 GB and more than nothing",
        )?;
    }
    Ok(())
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
    /// Users of an application of three tiers: requests over HTTP to a web server, each of which
    /// becomes a row in a PostgreSQL database.
    Query,
}

impl Program {
    /// Whether it sends probes of the lab's own.
    fn is_probe(self) -> bool {
        matches!(self, Self::Udp | Self::Tcp)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Curl => "curl",
            Self::Ping => "ping",
            Self::Iperf3 => "iperf3",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Query => "query",
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
