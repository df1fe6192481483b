//! What a domain is, in the words that the agents of two sites compare.

use std::path::Path;

use super::definition::{Definition, Image};
use super::{Domain, images, unreadable};
use crate::hypervisor::{Base, Bases, Description, Disk, HypervisorError, Plan, Storage};
use crate::qemu::digest;

/// How many differences an error names.
const MOST_NAMED: usize = 3;

impl Domain {
    /// The definition as libvirt would send it to another host. A running domain has one of its own,
    /// which its operator cannot change.
    pub(super) async fn xml(&self, running: bool) -> Result<String, HypervisorError> {
        let arguments: &[&str] = if running {
            &["--migratable"]
        } else {
            &["--migratable", "--inactive"]
        };
        let doing = "read the definition of the domain";
        self.virsh().run(doing, "dumpxml", arguments).await
    }

    pub(super) async fn definition(&self, running: bool) -> Result<Definition, HypervisorError> {
        let xml = self.xml(running).await?;
        Definition::parse(&xml)
            .map_err(|error| unreadable("read the definition of the domain", &error))
    }

    pub(super) async fn describe(
        &self,
        definition: &Definition,
    ) -> Result<Description, HypervisorError> {
        let mut disks = Vec::new();
        for image in &definition.disks {
            disks.push(self.disk(image).await?);
        }
        Ok(Description {
            name: self.guest.clone(),
            hypervisor: "libvirt".to_owned(),
            version: self.virsh().hypervisor_version().await?,
            machine: definition.machine.clone(),
            cpu: definition.cpu.clone(),
            accelerator: definition.accelerator.clone(),
            processors: definition.processors,
            memory: definition.memory,
            devices: definition.devices.clone(),
            disks,
        })
    }

    /// The files of the base images of the disks.
    pub(super) async fn bases(&self, definition: &Definition) -> Result<Bases, HypervisorError> {
        let mut bases = Bases::new();
        for image in &definition.disks {
            if let Some(base) = images::head(image).await?.base {
                bases.insert(image.target.clone(), base);
            }
        }
        Ok(bases)
    }

    async fn disk(&self, image: &Image) -> Result<Disk, HypervisorError> {
        let head = images::head(image).await?;
        let delta = head.actual_size;
        let (base, beneath) = match &head.base {
            Some(base) => (Some(self.base(base).await?), images::taken(base)?),
            None => (None, 0),
        };
        Ok(Disk {
            id: image.target.clone(),
            size: head.virtual_size,
            delta,
            whole: delta.saturating_add(beneath),
            base,
        })
    }

    async fn base(&self, base: &Path) -> Result<Base, HypervisorError> {
        let (base, _format) = digest::base_in(base, &self.state_directory, &self.directory).await?;
        Ok(base)
    }
}

/// Refuses a guest that is not what is defined here.
pub(super) fn compare(
    theirs: &Description,
    ours: &Description,
    plan: &Plan,
) -> Result<(), HypervisorError> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, theirs: &str, ours: &str| {
        if theirs != ours {
            differences.push(format!("{what} is {theirs} there and {ours} here"));
        }
    };
    differ("the hypervisor", &theirs.hypervisor, &ours.hypervisor);
    if older(&ours.version, &theirs.version) {
        differ("the version of QEMU", &theirs.version, &ours.version);
    }
    differ("the machine type", &theirs.machine, &ours.machine);
    differ("the processor model", &theirs.cpu, &ours.cpu);
    differ("the accelerator", &theirs.accelerator, &ours.accelerator);
    differ(
        "the number of processors",
        &theirs.processors.to_string(),
        &ours.processors.to_string(),
    );
    differ(
        "the memory",
        &format!("{} octets", theirs.memory),
        &format!("{} octets", ours.memory),
    );
    let only = |these: &[String], those: &[String], site: &str| -> Vec<String> {
        these
            .iter()
            .filter(|device| !those.contains(device))
            .map(|device| format!("only {site} there is \"{device}\""))
            .collect()
    };
    differences.extend(only(&theirs.devices, &ours.devices, "at the other site"));
    differences.extend(only(&ours.devices, &theirs.devices, "here"));
    if theirs.devices.len() != ours.devices.len() && differences.is_empty() {
        differences.push("the number of devices differs".to_owned());
    }
    if plan.storage != Storage::None {
        differences.extend(disks(&theirs.disks, &ours.disks, plan.storage));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let more = differences.len().saturating_sub(MOST_NAMED);
    differences.truncate(MOST_NAMED);
    let mut said = differences.join("; ");
    if more > 0 {
        said.push_str(&format!("; and {more} more"));
    }
    Err(HypervisorError::Refused(format!(
        "guest {} cannot go on here as it is: {said}",
        theirs.name
    )))
}

/// Whether a version is older than another; one that cannot be read is not.
fn older(ours: &str, theirs: &str) -> bool {
    let numbers = |version: &str| -> Vec<u32> {
        version
            .split('.')
            .map_while(|number| number.parse().ok())
            .collect()
    };
    numbers(ours) < numbers(theirs)
}

fn disks(theirs: &[Disk], ours: &[Disk], storage: Storage) -> Vec<String> {
    let ids = |disks: &[Disk]| -> Vec<String> {
        let mut ids: Vec<String> = disks.iter().map(|disk| disk.id.clone()).collect();
        ids.sort();
        ids
    };
    if ids(theirs) != ids(ours) {
        return vec![format!(
            "its disks are {:?} there and {:?} here",
            ids(theirs),
            ids(ours)
        )];
    }
    let pairs = theirs
        .iter()
        .filter_map(|disk| Some((disk, ours.iter().find(|other| other.id == disk.id)?)));
    pairs
        .filter_map(|(theirs, ours)| difference(theirs, ours, storage))
        .collect()
}

fn difference(theirs: &Disk, ours: &Disk, storage: Storage) -> Option<String> {
    let id = &theirs.id;
    if theirs.size != ours.size {
        return Some(format!(
            "disk {id} has {} octets there and {} here",
            theirs.size, ours.size
        ));
    }
    if storage == Storage::Full || theirs.base == ours.base {
        return None;
    }
    let name = |base: &Option<Base>| {
        base.as_ref().map_or_else(
            || "no base image".to_owned(),
            |base| {
                format!(
                    "a base image of {} octets with digest {}",
                    base.size, base.sha256
                )
            },
        )
    };
    Some(format!(
        "disk {id} lies on {} there and on {} here",
        name(&theirs.base),
        name(&ours.base)
    ))
}
