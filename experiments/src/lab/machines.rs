//! The virtual machines of a lab.

use super::Lab;
use crate::daemon::configuration;
use crate::error::{Doing, LabError};
use crate::guest::Kernel;
use crate::lab::MoveTimes;
use crate::machine::{Boot, Daemon, furnish};
use crate::programs::probe_end;
use crate::topology::Party;

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
        let out = &self.options.out;
        let (machines, hypervisors) = self.topology.machines_and_hypervisors();
        for (machine, image) in machines.iter_mut().zip(images) {
            let place = hypervisors
                .iter()
                .find(|one| one.name() == machine.hypervisor());
            if let Some(hypervisor) = place {
                let boot = Boot {
                    kernel: kernel.image.clone(),
                    image,
                };
                machine.start(hypervisor, boot, out)?;
            }
        }
        Ok(())
    }

    /// Moves a virtual machine to a hypervisor of a site, to another one when it is there already.
    pub(super) fn move_machine(&mut self, name: &str, site: &str) -> Result<MoveTimes, LabError> {
        let (clock, out) = (self.clock, &self.options.out);
        let (machines, hypervisors) = self.topology.machines_and_hypervisors();
        let misuse = |what: String| LabError::Misuse(what);
        let machine = machines.iter_mut().find(|one| one.name() == name);
        let machine =
            machine.ok_or_else(|| misuse(format!("no virtual machine is called {name:?}")))?;
        let place = |name: &str| hypervisors.iter().find(|one| one.name() == name);
        let source = place(machine.hypervisor());
        let target = hypervisors
            .iter()
            .find(|one| one.site() == site && one.name() != machine.hypervisor());
        let (source, target) = source
            .zip(target)
            .ok_or_else(|| misuse(format!("{site} has no other hypervisor for {name}")))?;
        machine.migrate(source, target, clock, out)
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
