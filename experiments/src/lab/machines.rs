//! The virtual machines of a lab.

use ilnp_relocate::channel::RelocationId;
use ilnp_relocate::report::Report;

use super::Lab;
use crate::daemon::configuration;
use crate::error::{Doing, LabError};
use crate::guest::Kernel;
use crate::lab::MoveTimes;
use crate::machine::{Agent, Boot, Daemon, Disk, Order, certify, furnish};
use crate::programs::{probe_end, relocate};
use crate::topology::{Hypervisor, Party};

impl Lab {
    /// Makes the images of the virtual machines and switches them on.
    pub(super) fn start_machines(&mut self) -> Result<(), LabError> {
        if self.topology.machines.is_empty() {
            return Ok(());
        }
        let kernel = Kernel::find()?;
        let probe_end = probe_end(&self.options)?;
        let mut images = vec![];
        for machine in &self.topology.machines {
            let programs = self.programs.as_ref().filter(|_| machine.speaks_ilnp());
            let daemon = programs.map(|programs| {
                let keys = self.keys.as_ref();
                let dns = machine.settings().dns.as_ref();
                Ok::<_, LabError>(Daemon {
                    programs,
                    configuration: configuration::of(
                        &self.topology,
                        Party::Machine(machine),
                        keys,
                        None,
                    )?,
                    key: keys.zip(dns).map(|(keys, dns)| keys.file(&dns.name)),
                })
            });
            let sessions = self.topology.run_directory();
            let daemon = daemon.transpose()?;
            images.push(furnish(
                machine,
                &self.scenario,
                &kernel,
                daemon.as_ref(),
                sessions,
                &probe_end,
            )?);
        }
        let (machines, _) = self.topology.machines_and_hypervisors();
        for (machine, image) in machines.iter_mut().zip(images) {
            let kernel = kernel.image.clone();
            machine.set_boot(Boot { kernel, image });
        }
        self.make_disks()?;
        self.start_agents()?;
        for machine in &self.topology.machines {
            self.agent_at(machine.hypervisor())?.boot(machine.name())?;
        }
        Ok(())
    }

    /// Makes the disks of the machines that have one, in the folder of results, where there is room.
    fn make_disks(&mut self) -> Result<(), LabError> {
        let (out, seed) = (&self.options.out, self.scenario.seed);
        let (machines, hypervisors) = self.topology.machines_and_hypervisors();
        let places: Vec<&str> = hypervisors.iter().map(Hypervisor::name).collect();
        for machine in machines {
            if let Some(settings) = machine.settings().vm.and_then(|vm| vm.disk) {
                let folder = out.join(format!("{}-disk", machine.name()));
                let folder =
                    std::path::absolute(&folder).doing(|| format!("find {}", folder.display()))?;
                let disk = Disk::make(folder, settings, &places, machine.hypervisor(), seed)?;
                machine.set_disk(disk);
            }
        }
        Ok(())
    }

    fn start_agents(&mut self) -> Result<(), LabError> {
        let program = relocate(&self.options)?;
        let authority = certify(&program, &self.topology)?;
        let (topology, out) = (&self.topology, &self.options.out);
        for hypervisor in topology.hypervisors() {
            let agent = Agent::start(&program, topology, hypervisor, &authority, out)?;
            self.agents.push(agent);
        }
        Ok(())
    }

    fn agent_at(&self, hypervisor: &str) -> Result<&Agent, LabError> {
        let agent = self
            .agents
            .iter()
            .find(|one| one.hypervisor() == hypervisor);
        agent.ok_or_else(|| LabError::Misuse(format!("{hypervisor} has no agent")))
    }

    /// Moves a virtual machine to a hypervisor of a site, to another one when it is there already.
    ///
    /// # Errors
    /// [`LabError::Failed`] with what the agent says when it was not moved.
    pub(crate) fn move_machine(
        &mut self,
        name: &str,
        site: &str,
        order: Order,
    ) -> Result<(MoveTimes, RelocationId), LabError> {
        let (clock, out) = (self.clock, &self.options.out);
        let (machines, hypervisors) = self.topology.machines_and_hypervisors();
        let misuse = |what: String| LabError::Misuse(what);
        let machine = machines.iter_mut().find(|one| one.name() == name);
        let machine =
            machine.ok_or_else(|| misuse(format!("no virtual machine is called {name:?}")))?;
        let target = hypervisors
            .iter()
            .find(|one| one.site() == site && one.name() != machine.hypervisor());
        let target =
            target.ok_or_else(|| misuse(format!("{site} has no other hypervisor for {name}")))?;
        let places = [machine.hypervisor(), target.name()].map(|place| {
            let mut agents = self.agents.iter();
            agents.position(|one| one.hypervisor() == place)
        });
        let [Some(from), Some(to)] = places else {
            return Err(misuse(format!("{name} would move without an agent")));
        };
        let agents = self.agents.get_disjoint_mut([from, to]);
        let agents = agents.map_err(|error| misuse(error.to_string()))?;
        machine.relocate(agents, target, order, clock, out)
    }

    /// What the agents say of all relocations. They hear from the guest after it has moved, so it is
    /// asked late.
    pub(crate) fn relocations(&self) -> Result<Vec<Report>, LabError> {
        let reports = self.agents.iter().map(Agent::reports);
        let reports: Result<Vec<_>, _> = reports.collect();
        Ok(reports?.concat())
    }

    /// Waits until every virtual machine can be reached.
    pub(super) fn wait_for_machines(&self) -> Result<(), LabError> {
        let mut machines = self.topology.machines.iter();
        machines.try_for_each(|machine| machine.wait_until_ready(self.out()))
    }

    /// Writes what the daemons in virtual machines know into the folder of results.
    pub(super) fn write_down_machines(&self) -> Result<(), LabError> {
        let speakers = self
            .topology
            .machines
            .iter()
            .filter(|one| one.speaks_ilnp());
        for machine in speakers {
            for verb in ["counters", "correspondents"] {
                let file = self.out().join(format!("{}-{verb}.json", machine.name()));
                std::fs::write(&file, format!("{:#}\n", machine.ask(verb)?))
                    .doing(|| format!("write {}", file.display()))?;
            }
        }
        Ok(())
    }
}
