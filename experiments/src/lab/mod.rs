//! A running lab: the network of a scenario, its daemons and captures, and the moves of its hosts.

mod machines;
mod names;

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::daemon::Daemon;
use crate::error::{Doing, LabError};
use crate::machine::{Agent, Order};
use crate::name_server::{self, Keys, NameServer};
use crate::process;
use crate::programs::{Programs, find_programs};
use crate::scenario::{MoveKind, Protocol, Scenario};
use crate::topology::{Host, Site, Topology, remove_leftovers};

/// How long a host may take for its first address: the kernel solicits at 0, 4 and 8 s.
const FIRST_ADDRESS: Duration = Duration::from_secs(12);
const POLL: Duration = Duration::from_millis(20);

/// Where a lab finds its programs and puts its results.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder for logs, captures and reports; it is made.
    pub out: PathBuf,
    /// The folder that holds `ilnp-hostd` and `ilnp`: that of the running program unless it is
    /// said.
    pub bin_dir: Option<PathBuf>,
}

/// When the parts of a move happened, on the clock of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveTimes {
    /// The old attachment was cut.
    pub cut: Duration,
    /// The new attachment had its carrier.
    pub attached: Duration,
}

impl MoveTimes {
    /// When the move began to matter: the old attachment was cut, or the new one made beside it.
    pub fn begin(&self) -> Duration {
        self.cut.min(self.attached)
    }
}

/// A running lab. Dropping it ends every program and removes every namespace, mount and file in
/// `/run`; what is in [`Options::out`] stays.
#[derive(Debug)]
pub struct Lab {
    daemons: Vec<Daemon>,
    name_servers: Vec<NameServer>,
    /// The agents of hypervisors.
    agents: Vec<Agent>,
    /// What signs updates and transfers, where there are name servers.
    keys: Option<Keys>,
    topology: Topology,
    scenario: Scenario,
    protocol: Protocol,
    clock: Clock,
    options: Options,
    /// What runs on hosts that speak ILNP, when some do.
    programs: Option<Programs>,
}

impl Lab {
    /// Builds the network of a scenario. Hosts that do not speak ILNP in this run have their
    /// addresses when this returns; the others get theirs with
    /// [`start_daemons`](Self::start_daemons).
    ///
    /// # Errors
    /// [`LabError::NotRoot`], [`LabError::Missing`] for a program that is not installed,
    /// [`LabError::NotBuilt`] when there is no daemon to start, [`LabError::Misuse`] for a scenario
    /// that is not valid, and whatever the system refuses.
    pub fn build(
        scenario: &Scenario,
        protocol: Protocol,
        options: &Options,
    ) -> Result<Self, LabError> {
        let programs = find_programs(scenario, protocol, options)?;
        std::fs::create_dir_all(&options.out)
            .doing(|| format!("make {}", options.out.display()))?;
        remove_leftovers()?;
        let topology = Topology::build(scenario, protocol, &options.out)?;
        let named = !topology.name_servers.is_empty();
        let lab = Self {
            keys: named
                .then(|| name_server::make_keys(&topology, scenario))
                .transpose()?,
            topology,
            scenario: scenario.clone(),
            protocol,
            clock: Clock::start(),
            options: options.clone(),
            programs,
            daemons: vec![],
            name_servers: vec![],
            agents: vec![],
        };
        for host in lab.topology.hosts.iter().filter(|h| !h.speaks_ilnp()) {
            lab.wait_for_address(host)?;
        }
        Ok(lab)
    }

    /// The scenario that was built.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What carries the sessions.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The clock that all times of this lab are on.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The folder for logs, captures and reports.
    pub fn out(&self) -> &Path {
        &self.options.out
    }

    /// The network.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The host with this name.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when there is none.
    pub fn host(&self, name: &str) -> Result<&Host, LabError> {
        self.topology.host(name)
    }

    /// The site with this name.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when there is none.
    pub fn site(&self, name: &str) -> Result<&Site, LabError> {
        self.topology.site(name)
    }

    /// The address by which programs on `from` reach `to`: the handle when both speak ILNP, and
    /// the global address at the present site otherwise.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when a name is unknown.
    pub fn address(&self, from: &str, to: &str) -> Result<Ipv6Addr, LabError> {
        let (from, to) = (self.topology.party(from)?, self.topology.party(to)?);
        if from.speaks_ilnp() && to.speaks_ilnp() {
            return Ok(to.handle());
        }
        let site = self.site(to.site())?;
        to.address_in(site.settings())
            .ok_or_else(|| LabError::Misuse(format!("{} is in no site", to.name())))
    }

    /// Starts the daemon of every host that speaks ILNP in this run, and waits until each is ready
    /// and has a Locator. Virtual machines are switched on first.
    ///
    /// # Errors
    /// [`LabError::Failed`] with the end of
    /// its log when a daemon ends, [`LabError::TimedOut`] when one does not become ready.
    pub fn start_daemons(&mut self) -> Result<(), LabError> {
        self.start_machines()?;
        let Some(programs) = &self.programs else {
            return self.wait_for_machines();
        };
        for host in self.topology.hosts.iter().filter(|h| h.speaks_ilnp()) {
            let out = &self.options.out;
            let mut daemon =
                Daemon::prepare(&self.topology, host, self.keys.as_ref(), programs, out)?;
            daemon.start(host)?;
            self.daemons.push(daemon);
        }
        for daemon in &mut self.daemons {
            let host = self.topology.host(daemon.host())?;
            daemon.wait_until_ready(host)?;
        }
        self.wait_for_machines()
    }

    /// Writes what every daemon knows into the folder of results.
    pub(crate) fn write_down_daemons(&self) -> Result<(), LabError> {
        for daemon in &self.daemons {
            let host = self.topology.host(daemon.host())?;
            daemon.write_down(host, self.out())?;
        }
        self.write_down_machines()
    }

    /// The daemon of a host, with the host that it runs on.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when the host is unknown or has none.
    pub fn daemon(&mut self, host: &str) -> Result<(&mut Daemon, &Host), LabError> {
        let daemon = self.daemons.iter_mut().find(|d| d.host() == host);
        let daemon =
            daemon.ok_or_else(|| LabError::Misuse(format!("no daemon was started on {host:?}")))?;
        Ok((daemon, self.topology.host(host)?))
    }

    /// Lets nothing pass to or from a host, which does not see it, until it is moved. Returns since
    /// when.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when the name is unknown, [`LabError::Failed`] when `bridge` refuses.
    pub fn silence(&self, host: &str) -> Result<Duration, LabError> {
        self.topology.host(host)?.silence()?;
        Ok(self.clock.now())
    }

    /// Moves a host to a site. A soft move keeps both attachments for `overlap` before the old one
    /// is cut.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when a name is unknown, [`LabError::Failed`] when `ip` refuses.
    pub fn move_host(
        &mut self,
        host: &str,
        site: &str,
        kind: MoveKind,
        overlap: Duration,
    ) -> Result<MoveTimes, LabError> {
        if self.topology.machine(host).is_ok() {
            let order = Order {
                prepared: kind == MoveKind::Soft,
                bandwidth: None,
                fault: None,
            };
            let (times, _) = self.move_machine(host, site, order)?;
            return Ok(times);
        }
        let clock = self.clock;
        let (host, site) = self.topology.host_and_site(host, site)?;
        let old = host.active();
        match kind {
            MoveKind::Hard => {
                host.unplug(old)?;
                let cut = clock.now();
                host.plug(old, site)?;
                let attached = clock.now();
                Ok(MoveTimes { cut, attached })
            }
            MoveKind::Soft => {
                let new = host.spare_interface()?;
                host.plug(new, site)?;
                let attached = clock.now();
                host.set_active(new);
                sleep(overlap);
                host.unplug(old)?;
                let cut = clock.now();
                Ok(MoveTimes { cut, attached })
            }
        }
    }

    /// Waits until a host can use its address at its present site.
    fn wait_for_address(&self, host: &Host) -> Result<(), LabError> {
        let site = self.site(host.site())?;
        let Some(address) = host.address_in(site.settings()) else {
            return Ok(());
        };
        let end = Instant::now() + FIRST_ADDRESS;
        while !has_address(host, address)? {
            if Instant::now() > end {
                return Err(LabError::TimedOut {
                    what: format!("address {address} of {}", host.name()),
                    seconds: FIRST_ADDRESS.as_secs(),
                    hint: format!("see the logs of radvd in {}", self.out().display()),
                });
            }
            sleep(POLL);
        }
        Ok(())
    }
}

fn has_address(host: &Host, address: Ipv6Addr) -> Result<bool, LabError> {
    let mut command = Command::new("ip");
    command.args(["-n", host.namespace().name(), "-6", "-o", "address", "show"]);
    command.args(["scope", "global", "to", &address.to_string()]);
    let output = process::run(&mut command, "")?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(is_usable(&text))
}

/// Whether the line that `ip` shows for an address says that programs may use it.
pub(crate) fn is_usable(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let has = |word| words.contains(&word);
    has("inet6") && !has("dadfailed") && (!has("tentative") || has("optimistic"))
}
