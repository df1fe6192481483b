//! Sessions of real programs between hosts, watched from both ends.

mod curl;
pub(crate) mod in_guest;
mod iperf3;
mod pace;
mod ping;
pub mod probe;
pub mod query;
mod server;
mod ssh;

pub(crate) use curl::make_file;

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::error::{Doing, LabError};
use crate::lab::Lab;
use crate::measure::flow::Flow;
use crate::programs::require_all;
use crate::scenario::{Program, Workload};
use crate::topology::{Host, Party};

/// How long a session may take until something arrives in every direction.
const ESTABLISHMENT: Duration = Duration::from_secs(40);
/// The time from one request to the next, unless it is said.
const REQUEST: Duration = Duration::from_millis(20);

/// A session under way.
pub trait Session: Send {
    /// Whether something has arrived in every direction.
    fn is_established(&mut self) -> bool;

    /// Lets the senders stop; what is under way may still arrive.
    fn stop_sending(&mut self);

    /// Ends the session and returns what was seen.
    ///
    /// # Errors
    /// [`LabError`] when what was seen cannot be read; a session that died is no error.
    fn finish(self: Box<Self>) -> Result<Observed, LabError>;
}

/// What was seen of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Each direction in which something was sent.
    pub flows: Vec<Flow>,
    /// Why the program gave up, when it did.
    pub failure: Option<String>,
    /// Whether what arrived was what had been sent, for programs that can tell.
    pub intact: Option<bool>,
}

/// What a session is started with.
struct Place<'a> {
    from: &'a Host,
    to: Party<'a>,
    /// What programs on `from` are told to reach `to` by: an address, or a name to look up.
    target: String,
    /// The port at `to` for this session's server.
    port: u16,
    /// A folder of the session's own for short-lived files.
    directory: PathBuf,
    /// The log of the session's programs.
    log: PathBuf,
    clock: Clock,
    /// How long the workloads will run.
    duration: Duration,
    seed: u64,
}

impl Place<'_> {
    /// The target as URLs have it (RFC 3986 §3.2.2).
    fn url_host(&self) -> String {
        match self.target.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => self.target.clone(),
        }
    }
}

/// Checks that the programs of a workload are installed.
///
/// # Errors
/// [`LabError::Missing`] with the Debian package of the first that is not.
pub fn check_installed(program: Program) -> Result<(), LabError> {
    let needed: &[(&str, &str)] = match program {
        Program::Ssh => &[("sshd", "openssh-server"), ("ssh", "openssh-client")],
        Program::Curl => &[("curl", "curl"), ("nginx", "nginx-light")],
        Program::Ping => &[("ping", "iputils-ping")],
        Program::Iperf3 => &[("iperf3", "iperf3")],
        Program::Udp | Program::Tcp => &[],
        Program::Query => {
            query::check_installed()?;
            &[("nginx", "nginx-light")]
        }
    };
    require_all(needed)
}

/// Starts the session of a workload. `index` tells it from others: it chooses port and folder.
///
/// # Errors
/// [`LabError`] when a program is missing or cannot be started, or a server does not answer.
pub fn start(lab: &Lab, workload: &Workload, index: u16) -> Result<Box<dyn Session>, LabError> {
    check_installed(workload.program)?;
    let name = session_name(workload, index);
    if let Ok(near) = lab.topology().machine(&workload.from) {
        let remote = SocketAddr::from((address(lab, workload)?, port(index)));
        let settings = probe::Settings::of(workload);
        let session = probe::Guest::start(near, remote, &settings, &name, lab.clock())?;
        return Ok(Box::new(session));
    }
    let directory = lab.topology().run_directory().join(&name);
    std::fs::create_dir_all(&directory).doing(|| format!("make {}", directory.display()))?;
    let place = Place {
        from: lab.host(&workload.from)?,
        to: lab.topology().party(&workload.to)?,
        target: target(lab, workload)?,
        port: port(index),
        directory,
        log: lab.out().join(format!("{name}.log")),
        clock: lab.clock(),
        duration: lab.scenario().duration,
        seed: lab.scenario().seed,
    };
    Ok(match workload.program {
        Program::Ssh => Box::new(ssh::Ssh::start(&place)?),
        Program::Curl => {
            let (size, speed) = (workload.size.unwrap_or(1), workload.speed.unwrap_or(1));
            Box::new(curl::Curl::start(&place, size, speed)?)
        }
        Program::Ping => Box::new(ping::Ping::start(&place)?),
        Program::Iperf3 => Box::new(iperf3::Iperf3::start(&place)?),
        Program::Udp | Program::Tcp => {
            let settings = probe::Settings::of(workload);
            let ends = probe::Ends {
                from: place.from,
                to: place.to,
                address: address(lab, workload)?,
                port: place.port,
            };
            probe::start(&ends, &settings, place.clock)?
        }
        Program::Query => {
            let remote = SocketAddr::from((address(lab, workload)?, place.port));
            let to = (place.to.name(), remote);
            let interval = workload.interval.unwrap_or(REQUEST);
            Box::new(query::Query::start(place.from, to, interval, place.clock)?)
        }
    })
}

/// The name of a session's folder and log.
fn session_name(workload: &Workload, index: u16) -> String {
    format!("{}-{index}", workload.program.name())
}

/// The port of a session's server.
fn port(index: u16) -> u16 {
    20_000 + index
}

/// What a program is told to reach the other host by.
fn target(lab: &Lab, workload: &Workload) -> Result<String, LabError> {
    Ok(match name(lab, workload)? {
        Some(name) => name.to_owned(),
        None => lab.address(&workload.from, &workload.to)?.to_string(),
    })
}

/// The address for the lab's own probes, which look a name up by getent.
fn address(lab: &Lab, workload: &Workload) -> Result<Ipv6Addr, LabError> {
    match name(lab, workload)? {
        Some(name) => lab.look_up(&workload.from, name),
        None => lab.address(&workload.from, &workload.to),
    }
}

/// The name of the other host, when the workload goes by it.
fn name<'a>(lab: &'a Lab, workload: &Workload) -> Result<Option<&'a str>, LabError> {
    let dns = lab.topology().party(&workload.to)?.settings().dns.as_ref();
    let dns = dns.filter(|_| workload.by_name);
    Ok(dns.map(|dns| dns.name.as_str()))
}

/// Waits until a session is established.
///
/// # Errors
/// [`LabError::TimedOut`] when that takes longer than 40 s.
pub fn wait_until_established(session: &mut dyn Session, name: &str) -> Result<(), LabError> {
    let end = Instant::now() + ESTABLISHMENT;
    while !session.is_established() {
        if Instant::now() > end {
            return Err(LabError::TimedOut {
                what: format!("the start of {name}"),
                seconds: ESTABLISHMENT.as_secs(),
                hint: "see its log".to_owned(),
            });
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}
