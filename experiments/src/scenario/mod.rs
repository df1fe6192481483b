//! What a scenario says: sites, links, hosts, moves and workloads.
//!
//! A scenario is a TOML file ([`load()`]) or is made in code; [`Scenario::validate`] holds for both.

use std::time::Duration;

use ilnp_core::id::{Locator, Nid};
use serde::{Deserialize, Serialize};

mod load;
mod machine;
mod names;
mod units;
mod validate;
mod workload;

pub use load::{LoadError, load, parse};
pub use machine::{Accelerator, Breaks, Disk, Fault, Vm};
pub use names::{Dns, NameServer, Resolver, Software};
pub use validate::Invalid;
pub use workload::{Direction, Program, Workload};

/// A whole experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// What the experiment is called in reports.
    pub name: String,
    /// What others have published of the like, to be shown beside the results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// What carries the sessions.
    pub protocol: Protocols,
    /// How long the workloads run.
    #[serde(with = "units::duration")]
    pub duration: Duration,
    /// What chance in links and files derives from.
    #[serde(default)]
    pub seed: u64,
    /// Whether every interface of every host is captured into a pcap file.
    #[serde(default = "yes")]
    pub captures: bool,
    /// The sites.
    #[serde(rename = "site")]
    pub sites: Vec<Site>,
    /// The hosts.
    #[serde(rename = "host")]
    pub hosts: Vec<Host>,
    /// The name servers. They run only when the protocol is ILNP.
    #[serde(rename = "name-server", default, skip_serializing_if = "Vec::is_empty")]
    pub name_servers: Vec<NameServer>,
    /// How often the moves are made; once when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// The moves, in the order of their time.
    #[serde(rename = "move", default)]
    pub moves: Vec<Move>,
    /// The workloads.
    #[serde(rename = "workload", default)]
    pub workloads: Vec<Workload>,
}

/// What a scenario asks to be run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocols {
    /// Plain IPv6 alone.
    Ipv6,
    /// ILNPv6 alone.
    Ilnp,
    /// Plain IPv6 first and then ILNPv6, to compare.
    Both,
}

impl Protocols {
    /// The protocols, in the order in which they are run.
    pub fn each(self) -> &'static [Protocol] {
        match self {
            Self::Ipv6 => &[Protocol::Ipv6],
            Self::Ilnp => &[Protocol::Ilnp],
            Self::Both => &[Protocol::Ipv6, Protocol::Ilnp],
        }
    }
}

/// What carries the sessions of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Programs use global addresses.
    Ipv6,
    /// Programs use handles; a daemon runs on each host that speaks ILNP.
    Ilnp,
}

impl Protocol {
    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Ipv6 => "plain IPv6",
            Self::Ilnp => "ILNPv6",
        }
    }

    /// Its name in file names and data.
    pub fn key(self) -> &'static str {
        match self {
            Self::Ipv6 => "ipv6",
            Self::Ilnp => "ilnp",
        }
    }
}

/// A site: a switch, a router that advertises the prefixes, and a link to the core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Site {
    /// At most ten letters, digits and hyphens.
    pub name: String,
    /// The advertised prefixes, one at least.
    pub prefixes: Vec<Locator>,
    /// The router's link-local address. Several sites may have the same one, as in life.
    #[serde(default = "default_router")]
    pub router: std::net::Ipv6Addr,
    /// The longest time between two unsolicited Router Advertisements (RFC 4861 §6.2.1).
    #[serde(with = "units::duration", default = "default_ra_interval")]
    pub ra_interval: Duration,
    /// Whether the router drops what hosts send from foreign sources (BCP 38).
    #[serde(default = "yes")]
    pub source_filter: bool,
    /// How many hypervisors it has, when hosts are virtual machines. A virtual machine that moves
    /// to the site that it is at goes to the next one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub hypervisors: u8,
    /// The link between the site and the core.
    #[serde(default)]
    pub link: LinkSettings,
}

/// How a link treats packets, alike in both directions. The default is a perfect link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LinkSettings {
    /// Bits a second; `None` for as fast as they come.
    #[serde(with = "units::rate", skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// What every packet takes, one way.
    #[serde(with = "units::duration")]
    pub delay: Duration,
    /// The most that is added to the delay, drawn evenly.
    #[serde(with = "units::duration")]
    pub jitter: Duration,
    /// The share of packets that is lost, 0 to 1.
    #[serde(with = "units::share")]
    pub loss: f64,
    /// The share of packets that arrives twice, 0 to 1.
    #[serde(with = "units::share")]
    pub duplication: f64,
    /// The share of packets that is held back for 5 ms and overtaken by those behind, 0 to 1.
    #[serde(with = "units::share")]
    pub reordering: f64,
    /// The share of Locator Updates and their acknowledgements that is lost, 0 to 1, beside
    /// `loss`.
    #[serde(with = "units::share")]
    pub locator_update_loss: f64,
}

impl LinkSettings {
    /// How many segments may be carried together, when not any number: as many as take a millisecond
    /// or so where packets are late and nothing else happens to them, and one otherwise.
    pub(crate) fn largest_batch(&self) -> Option<u64> {
        /// What a segment of 1500 octets has at least, in bits.
        const SEGMENT: u64 = 12_000;
        let Self { delay, rate, .. } = *self;
        let late = Self {
            delay,
            rate,
            ..Self::default()
        };
        if *self != late {
            return Some(1);
        }
        // No batch is larger than 64 KiB.
        let rate = rate.filter(|rate| *rate < 500_000_000)?;
        Some((rate / 1000 / SEGMENT).max(1))
    }
}

/// A host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Host {
    /// At most ten letters, digits and hyphens.
    pub name: String,
    /// The site that it starts in.
    pub site: String,
    /// Its Node Identifier, and the interface identifier of its addresses in either protocol.
    pub nid: Nid,
    /// Whether it runs the daemon when the protocol is ILNP.
    #[serde(default = "yes")]
    pub ilnp: bool,
    /// Whether its address and route are configured by hand and advertisements are ignored.
    #[serde(default, rename = "static")]
    pub is_static: bool,
    /// That it is a virtual machine; a network namespace otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm: Option<Vm>,
    /// Where it publishes its Locators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// Whom its programs ask for names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<Resolver>,
}

impl Host {
    /// A host that runs the daemon, with everything else as it is by default.
    pub fn new(name: &str, site: &str, nid: Nid) -> Self {
        Self {
            name: name.to_owned(),
            site: site.to_owned(),
            nid,
            ilnp: true,
            is_static: false,
            vm: None,
            dns: None,
            resolver: None,
        }
    }
}

/// A host changes site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Move {
    /// Who moves.
    pub host: String,
    /// When, from the start of the workloads. The scenario's time stands still while a virtual machine
    /// is moved, which takes as long as it takes.
    #[serde(with = "units::duration")]
    pub at: Duration,
    /// The site that it moves to.
    pub to: String,
    /// How.
    #[serde(default)]
    pub kind: MoveKind,
    /// How long a softly moving host stays attached to both sites.
    #[serde(with = "units::duration", default = "default_overlap")]
    pub overlap: Duration,
    /// For how long nothing passes, unseen by a hard moving host, before its old attachment is cut:
    /// as while a virtual machine stands still.
    #[serde(with = "units::duration", default)]
    pub silence: Duration,
    /// The rate that the copy of a virtual machine keeps to, in bits a second; as fast as it goes
    /// when it is not said.
    #[serde(with = "units::rate", default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<u64>,
    /// What breaks while a virtual machine is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// That the moves are made again and again. A scenario that was loaded has every one of them in
/// [`Scenario::moves`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Repeat {
    /// How many times.
    pub times: u16,
    /// How long after the last time they begin anew.
    #[serde(with = "units::duration")]
    pub every: Duration,
}

impl Scenario {
    /// Writes down every move that [`repeat`](Self::repeat) stands for.
    fn unroll(&mut self) {
        if let Some(repeat) = self.repeat.take() {
            let once = std::mem::take(&mut self.moves);
            for round in 0..repeat.times {
                let later = |step: &Move| Move {
                    at: step.at + repeat.every * u32::from(round),
                    ..step.clone()
                };
                self.moves.extend(once.iter().map(later));
            }
        }
    }
}

/// How a host changes site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MoveKind {
    /// The cable is pulled out of one site and put into the other: the old prefix dies at once. A
    /// virtual machine learns of its move when it runs again.
    #[default]
    Hard,
    /// A second interface is attached to the new site before the first is cut. A virtual machine is
    /// told before, and tells its correspondents.
    Soft,
}

fn yes() -> bool {
    true
}

fn one() -> u8 {
    1
}

fn is_one(count: &u8) -> bool {
    *count == 1
}

fn default_router() -> std::net::Ipv6Addr {
    std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)
}

fn default_ra_interval() -> Duration {
    Duration::from_secs(200)
}

fn default_overlap() -> Duration {
    Duration::from_secs(2)
}
