//! The network of a scenario, made of network namespaces and veth pairs.
//!
//! ```text
//!   host            switch of site     router of site         link           core
//!   [eth0]----------[p-HOST-0 lan router]----[lan  wan]----[inner outer]----[s-SITE ...]
//! ```
//!
//! The switch is a bridge in a namespace of its own: a router that held the bridge would notice
//! every host that comes and advertise at once, which no real router does. The link namespace is
//! there when the link is imperfect. Virtual machines are behind a hypervisor at the switch. Plugging a host in is moving the far end of its veth into a
//! switch; the host sees its carrier go and come.

mod core_router;
mod host;
mod hypervisor;
mod leftovers;
mod namespace;
mod party;
mod site;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use ilnp_core::id::Nid;

use crate::error::{Doing, LabError};
use crate::link::Impairment;
use crate::machine::Machine;
use crate::process::Process;
use crate::scenario::{self, Protocol, Scenario};

pub use host::Host;
pub use hypervisor::Hypervisor;
pub use leftovers::remove_leftovers;
pub use namespace::Namespace;
pub use party::Party;
pub use site::Site;

pub(crate) use hypervisor::guest_port;

/// Where short-lived files of runs are: sockets, keys and mounts.
const RUN: &str = "/run/ilnp-lab";
/// The interface identifier of the first name server: its address ends in `::53`.
const FIRST_NAME_SERVER: u64 = 0x53;

/// A name that no other run on this machine has, and the folder that goes with it.
#[derive(Debug)]
pub struct RunId {
    text: String,
    directory: PathBuf,
}

impl RunId {
    /// Takes a new name and makes its folder.
    ///
    /// # Errors
    /// [`LabError::Io`] when the folder cannot be made.
    pub fn new() -> Result<Self, LabError> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let count = RUNS.fetch_add(1, Ordering::Relaxed);
        let text = format!("{}-{count}", std::process::id());
        let directory = Path::new(RUN).join(&text);
        std::fs::create_dir_all(&directory).doing(|| format!("make {}", directory.display()))?;
        Ok(Self { text, directory })
    }

    /// The folder for short-lived files, below `/run`.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes a namespace; one that a killed run leaves behind is removed by the next run.
    ///
    /// # Errors
    /// [`LabError::Failed`] when `ip` refuses.
    pub fn namespace(&self, role: &str, name: &str) -> Result<Namespace, LabError> {
        Namespace::create(format!("ilnp-{}-{role}-{name}", self.text))
    }
}

impl Drop for RunId {
    fn drop(&mut self) {
        if let Err(error) = leftovers::remove_run_directory(&self.directory) {
            tracing::warn!(%error, "cannot remove the files of the run");
        }
    }
}

/// The network, as long as it lives. Fields are dropped in their order: programs before the
/// namespaces that they run in.
#[derive(Debug)]
pub struct Topology {
    routers: Vec<Process>,
    links: Vec<Impairment>,
    /// The hosts, in the order of the scenario.
    pub hosts: Vec<Host>,
    /// The hosts that are virtual machines, in the order of the scenario.
    pub machines: Vec<Machine>,
    /// What virtual machines run on, when there are some.
    hypervisors: Vec<Hypervisor>,
    /// The machines of the name servers, in the order of the scenario.
    pub(crate) name_servers: Vec<Host>,
    /// The sites, in the order of the scenario.
    pub sites: Vec<Site>,
    core: Namespace,
    run: RunId,
}

impl Topology {
    /// Builds the network of a scenario and plugs every host in. Logs go to the folder `logs`.
    ///
    /// # Errors
    /// [`LabError`]; whatever was made until then is removed.
    pub(crate) fn build(
        scenario: &Scenario,
        protocol: Protocol,
        logs: &Path,
    ) -> Result<Self, LabError> {
        let run = RunId::new()?;
        let core = core_router::create(&run)?;
        let mut topology = Self {
            routers: vec![],
            links: vec![],
            hosts: vec![],
            machines: vec![],
            hypervisors: vec![],
            name_servers: vec![],
            sites: vec![],
            core,
            run,
        };
        for (index, settings) in (0u64..).zip(&scenario.sites) {
            let site = Site::create(&topology.run, settings)?;
            let link =
                core_router::connect(&topology.run, &topology.core, &site, scenario.seed + index)?;
            topology.links.extend(link);
            topology
                .routers
                .push(site.start_advertising(topology.run.directory(), logs)?);
            topology.sites.push(site);
        }
        for settings in scenario.hosts.iter().filter(|host| host.vm.is_none()) {
            let mut host = Host::create(&topology.run, settings, protocol)?;
            let site = topology.site(&settings.site)?;
            host.plug(0, site)?;
            if scenario.moves_softly(host.name()) {
                // There from the start, so that it can be captured from the start.
                host.spare_interface()?;
            }
            topology.hosts.push(host);
        }
        topology.add_machines(scenario, protocol)?;
        if protocol == Protocol::Ilnp {
            topology.add_name_servers(scenario)?;
        }
        Ok(topology)
    }

    /// Every hypervisor has a place for every virtual machine.
    fn add_machines(&mut self, scenario: &Scenario, protocol: Protocol) -> Result<(), LabError> {
        let mut guests = scenario.hosts.iter().filter(|host| host.vm.is_some());
        if guests.clone().next().is_none() {
            return Ok(());
        }
        for site in &self.sites {
            for number in 0..site.settings().hypervisors {
                let hypervisor = Hypervisor::create(&self.run, site, number)?;
                guests
                    .clone()
                    .try_for_each(|guest| hypervisor.add_guest(guest))?;
                self.hypervisors.push(hypervisor);
            }
        }
        guests.try_for_each(|guest| {
            let directory = self.run.directory().join(&guest.name);
            self.machines
                .push(Machine::new(guest, protocol, directory)?);
            Ok(())
        })
    }

    /// Name servers are hosts that never move and know nothing of ILNP.
    fn add_name_servers(&mut self, scenario: &Scenario) -> Result<(), LabError> {
        for (identifier, server) in (FIRST_NAME_SERVER..).zip(&scenario.name_servers) {
            let nid = Nid::from_bits(identifier);
            let settings = scenario::Host {
                ilnp: false,
                is_static: true,
                ..scenario::Host::new(&server.name, &server.site, nid)
            };
            let mut machine = Host::create(&self.run, &settings, Protocol::Ilnp)?;
            machine.plug(0, self.site(&server.site)?)?;
            self.name_servers.push(machine);
        }
        Ok(())
    }

    /// The host with this name.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when there is none.
    pub fn host(&self, name: &str) -> Result<&Host, LabError> {
        let host = self.hosts.iter().find(|host| host.name() == name);
        host.ok_or_else(|| LabError::Misuse(format!("no host is called {name:?}")))
    }

    /// The virtual machine with this name.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when there is none.
    pub fn machine(&self, name: &str) -> Result<&Machine, LabError> {
        let machine = self.machines.iter().find(|machine| machine.name() == name);
        machine.ok_or_else(|| LabError::Misuse(format!("no virtual machine is called {name:?}")))
    }

    /// The host with this name, whatever it is.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when there is none.
    pub fn party(&self, name: &str) -> Result<Party<'_>, LabError> {
        let mut parties = self.parties();
        let party = parties.find(|party| party.name() == name);
        party.ok_or_else(|| LabError::Misuse(format!("no host is called {name:?}")))
    }

    /// The hosts, whatever they are.
    pub fn parties(&self) -> impl Iterator<Item = Party<'_>> {
        let hosts = self.hosts.iter().map(Party::Host);
        hosts.chain(self.machines.iter().map(Party::Machine))
    }

    /// What virtual machines run on: the hypervisors of every site, when there are such machines.
    pub fn hypervisors(&self) -> &[Hypervisor] {
        &self.hypervisors
    }

    /// The hypervisor with this name.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when there is none.
    pub fn hypervisor(&self, name: &str) -> Result<&Hypervisor, LabError> {
        let hypervisor = self.hypervisors.iter().find(|one| one.name() == name);
        hypervisor.ok_or_else(|| LabError::Misuse(format!("no hypervisor is called {name:?}")))
    }

    /// The machine of the name server with this name.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when there is none.
    pub fn name_server(&self, name: &str) -> Result<&Host, LabError> {
        let server = self.name_servers.iter().find(|host| host.name() == name);
        server.ok_or_else(|| LabError::Misuse(format!("no name server is called {name:?}")))
    }

    /// The site with this name.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when there is none.
    pub fn site(&self, name: &str) -> Result<&Site, LabError> {
        let site = self.sites.iter().find(|site| site.name() == name);
        site.ok_or_else(|| LabError::Misuse(format!("no site is called {name:?}")))
    }

    /// The namespace of the core router, which sees every packet between sites.
    pub fn core(&self) -> &Namespace {
        &self.core
    }

    /// The links that are not perfect.
    pub fn links(&self) -> &[Impairment] {
        &self.links
    }

    /// The folder for short-lived files of this run.
    pub fn run_directory(&self) -> &Path {
        self.run.directory()
    }

    /// The virtual machines, and the hypervisors that they may run on.
    pub(crate) fn machines_and_hypervisors(&mut self) -> (&mut [Machine], &[Hypervisor]) {
        (&mut self.machines, &self.hypervisors)
    }

    pub(crate) fn host_and_site(
        &mut self,
        host: &str,
        site: &str,
    ) -> Result<(&mut Host, &Site), LabError> {
        let missing =
            |kind: &str, name: &str| LabError::Misuse(format!("no {kind} is called {name:?}"));
        let host = self
            .hosts
            .iter_mut()
            .find(|candidate| candidate.name() == host)
            .ok_or_else(|| missing("host", host))?;
        let site = self
            .sites
            .iter()
            .find(|candidate| candidate.name() == site)
            .ok_or_else(|| missing("site", site))?;
        Ok((host, site))
    }
}
