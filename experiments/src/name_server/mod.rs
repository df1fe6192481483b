//! Name servers of a run: keys, configurations, processes.

mod configuration;
mod keys;

use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ilnp_dns::record::RecordType;

use self::configuration::Role;
use crate::error::{Doing, LabError};
use crate::measure::query::Inquirer;
use crate::process::{self, Process, status_text};
use crate::scenario::{self, Scenario, Software};
use crate::topology::{Host, Topology};

pub(crate) use keys::Keys;

/// Where servers listen.
pub(crate) const PORT: u16 = 53;
const READY: Duration = Duration::from_secs(12);
const POLL: Duration = Duration::from_millis(10);

/// A running name server.
#[derive(Debug)]
pub struct NameServer {
    settings: scenario::NameServer,
    zone: String,
    address: Ipv6Addr,
    process: Process,
    log: PathBuf,
}

/// Makes the keys of a run: for every host that publishes itself, and for transfers.
pub(crate) fn make_keys(topology: &Topology, scenario: &Scenario) -> Result<Keys, LabError> {
    let names = scenario.hosts.iter().filter_map(|host| host.dns.as_ref());
    let names = names.map(|dns| dns.name.clone()).collect();
    Keys::make(topology.run_directory(), names)
}

impl NameServer {
    /// Starts a server and waits until it answers for its zone. A secondary server must be started
    /// after its primary. Configuration and log are left in the folder `out`; `dnsd` is where
    /// ilnp-dnsd is.
    pub(crate) fn start(
        scenario: &Scenario,
        topology: &Topology,
        settings: &scenario::NameServer,
        keys: &Keys,
        (dnsd, out): (Option<&Path>, &Path),
    ) -> Result<Self, LabError> {
        let machine = topology.name_server(&settings.name)?;
        let role = role(scenario, topology, settings, keys)?;
        let write = |file: &Path, text: &str| {
            std::fs::write(file, text).doing(|| format!("write {}", file.display()))
        };
        std::fs::create_dir_all(&role.state).doing(|| format!("make {}", role.state.display()))?;
        write(&role.zone_file(), &role.zone_text())?;
        let (configuration, text, mut command) = match settings.kind {
            Software::IlnpDnsd => {
                let file = out.join(format!("{}-dnsd.toml", settings.name));
                let program = dnsd.ok_or_else(|| LabError::NotBuilt("ilnp-dnsd".into()))?;
                let mut command = machine.command(program);
                command.arg("--config").arg(&file);
                (file, role.dnsd_configuration(), command)
            }
            Software::Bind => {
                let file = out.join(format!("{}-named.conf", settings.name));
                // `env` starts whatever its first words are.
                let mut command = machine.command("env");
                command.args(process::unconfined("named"));
                command.arg("-g").arg("-c").arg(&file);
                (file, role.bind_configuration(), command)
            }
        };
        write(&configuration, &text)?;
        let log = out.join(format!("{}.log", settings.name));
        command.stdin(Stdio::null());
        let name = format!("{} as {}", settings.kind.name(), settings.name);
        let mut server = Self {
            zone: role.zone.to_owned(),
            address: address(topology, machine)?,
            process: Process::start(&name, &mut command, &log)?,
            settings: settings.clone(),
            log,
        };
        server.wait_until_it_answers(machine)?;
        Ok(server)
    }

    /// What the scenario says about it.
    pub fn settings(&self) -> &scenario::NameServer {
        &self.settings
    }

    /// The address that it answers at.
    pub fn address(&self) -> Ipv6Addr {
        self.address
    }

    /// Where it answers.
    pub fn socket_address(&self) -> SocketAddr {
        SocketAddr::from((self.address, PORT))
    }

    fn wait_until_it_answers(&mut self, machine: &Host) -> Result<(), LabError> {
        let server = self.socket_address();
        let mut inquirer = Inquirer::new(machine.namespace(), server, &self.zone, RecordType::SOA)?;
        let end = Instant::now() + READY;
        while inquirer.ask().is_none_or(|answer| answer.is_empty()) {
            let ended = self.process.ended();
            if ended.is_some() || Instant::now() > end {
                return Err(LabError::Failed {
                    command: self.process.name().to_owned(),
                    status: ended.map_or_else(
                        || format!("no answer for {} within {READY:?}", self.zone),
                        status_text,
                    ),
                    output: process::last_lines(&self.log),
                });
            }
            sleep(POLL);
        }
        Ok(())
    }
}

/// The address of a name server's machine.
pub(crate) fn address(topology: &Topology, machine: &Host) -> Result<Ipv6Addr, LabError> {
    let site = topology.site(machine.site())?;
    machine
        .address_in(site.settings())
        .ok_or_else(|| LabError::Misuse(format!("{} is in no site", machine.name())))
}

fn role<'a>(
    scenario: &'a Scenario,
    topology: &Topology,
    settings: &'a scenario::NameServer,
    keys: &'a Keys,
) -> Result<Role<'a>, LabError> {
    let address_of = |name: &str| address(topology, topology.name_server(name)?);
    let zone = scenario.zone_of(settings).unwrap_or_default();
    let all = scenario.name_servers.iter();
    let copies = |other: &&scenario::NameServer| {
        other.secondary_of.as_deref() == Some(settings.name.as_str())
    };
    let publishers = scenario.hosts.iter().filter_map(|host| host.dns.as_ref());
    Ok(Role {
        name: &settings.name,
        zone,
        primary: settings
            .secondary_of
            .as_deref()
            .map(address_of)
            .transpose()?,
        secondaries: all
            .clone()
            .filter(copies)
            .map(|other| address_of(&other.name))
            .collect::<Result<_, _>>()?,
        servers: all
            .filter(|other| scenario.zone_of(other) == Some(zone))
            .map(|other| Ok((other.name.as_str(), address_of(&other.name)?)))
            .collect::<Result<_, LabError>>()?,
        publishers: publishers
            .filter(|dns| dns.primaries.contains(&settings.name))
            .map(|dns| dns.name.as_str())
            .collect(),
        keys,
        state: topology.run_directory().join(&settings.name),
    })
}
