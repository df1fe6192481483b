//! What machine a QEMU is, read from itself: what was asked for on its command line may be an alias
//! or leave something to a default.

use serde::Deserialize;
use serde_json::{Value, json};

use super::instance::Instance;
use crate::hypervisor::{Description, HypervisorError};

/// A machine, without its disks' contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) version: Version,
    pub(super) machine: String,
    pub(super) cpu: String,
    pub(super) accelerator: String,
    pub(super) processors: u32,
    pub(super) memory: u64,
    pub(super) devices: Vec<String>,
}

/// The version of a QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    micro: u32,
}

#[derive(Deserialize)]
struct QemuVersion {
    qemu: Version,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Processor {
    qom_path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MemorySize {
    base_memory: u64,
    #[serde(default)]
    plugged_memory: u64,
}

/// Features of a processor that one CPUID register tells.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct FeatureWord {
    cpuid_input_eax: u64,
    cpuid_input_ecx: Option<u64>,
    cpuid_register: String,
    features: u64,
}

#[derive(Deserialize)]
struct Property {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct PciBus {
    bus: u32,
    devices: Vec<PciDevice>,
}

#[derive(Deserialize)]
struct PciDevice {
    slot: u32,
    function: u32,
    #[serde(default)]
    qdev_id: String,
    id: PciId,
    pci_bridge: Option<PciBridge>,
}

#[derive(Deserialize)]
struct PciId {
    vendor: u32,
    device: u32,
}

#[derive(Deserialize)]
struct PciBridge {
    #[serde(default)]
    devices: Vec<PciDevice>,
    bus: PciBridgeBus,
}

#[derive(Deserialize)]
struct PciBridgeBus {
    secondary: u32,
}

impl Machine {
    /// Asks a QEMU what it is.
    pub(super) async fn read(qemu: &Instance) -> Result<Self, HypervisorError> {
        let version: QemuVersion = qemu.query("query-version", json!({})).await?;
        let kind: String = qemu
            .query("qom-get", json!({"path": "/machine", "property": "type"}))
            .await?;
        let kvm: Value = qemu.query("query-kvm", json!({})).await?;
        let processors: Vec<Processor> = qemu.query("query-cpus-fast", json!({})).await?;
        let memory: MemorySize = qemu.query("query-memory-size-summary", json!({})).await?;
        Ok(Self {
            version: version.qemu,
            machine: kind.trim_end_matches("-machine").to_owned(),
            cpu: cpu(qemu, &processors).await?,
            accelerator: if kvm["enabled"] == true { "kvm" } else { "tcg" }.to_owned(),
            processors: u32::try_from(processors.len()).unwrap_or(u32::MAX),
            memory: memory.base_memory + memory.plugged_memory,
            devices: devices(qemu).await?,
        })
    }

    /// Why a guest cannot go on in this machine: each difference, named.
    pub(super) fn differences(&self, guest: &Description) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, guest: String, here: String| {
            if guest != here {
                differences.push(format!(
                    "{what}: the guest has {guest}, here it would have {here}"
                ));
            }
        };
        compare("machine type", guest.machine.clone(), self.machine.clone());
        compare(
            "accelerator",
            guest.accelerator.clone(),
            self.accelerator.clone(),
        );
        compare("processor", guest.cpu.clone(), self.cpu.clone());
        compare(
            "processors",
            guest.processors.to_string(),
            self.processors.to_string(),
        );
        compare("memory", guest.memory.to_string(), self.memory.to_string());
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            these
                .iter()
                .filter(|device| !those.contains(device))
                .cloned()
                .collect()
        };
        let (missing, further) = (
            only(&guest.devices, &self.devices),
            only(&self.devices, &guest.devices),
        );
        if !missing.is_empty() {
            differences.push(format!(
                "devices that are missing here: {}",
                missing.join(", ")
            ));
        }
        if !further.is_empty() {
            differences.push(format!(
                "devices that the guest does not have: {}",
                further.join(", ")
            ));
        }
        if missing.is_empty() && further.is_empty() && guest.devices != self.devices {
            differences.push("the same devices in another order".to_owned());
        }
        // A machine type promises that state goes to later versions, and within one series both
        // ways. To an earlier one it may not fit.
        match Version::parse(&guest.version) {
            Some(theirs)
                if (theirs.major, theirs.minor) > (self.version.major, self.version.minor) =>
            {
                differences.push(format!(
                    "QEMU: the guest runs in {theirs}, here is the earlier {}",
                    self.version
                ));
            }
            Some(_) => {}
            None => differences.push(format!("QEMU: {:?} is no version", guest.version)),
        }
        differences
    }
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            major: next()?,
            minor: next()?,
            micro: next()?,
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// The model, and the features that it really has: those of `max` and `host` depend on where it
/// runs.
async fn cpu(qemu: &Instance, processors: &[Processor]) -> Result<String, HypervisorError> {
    let Some(Processor { qom_path }) = processors.first() else {
        return Ok("none".to_owned());
    };
    let kind: String = qemu
        .query("qom-get", json!({"path": qom_path, "property": "type"}))
        .await?;
    let mut cpu = kind.split("-x86_64-cpu").next().unwrap_or(&kind).to_owned();
    let words = json!({"path": qom_path, "property": "feature-words"});
    // Processors of other architectures have none.
    if let Ok(words) = qemu.query::<Vec<FeatureWord>>("qom-get", words).await {
        for word in words.iter().filter(|word| word.features != 0) {
            let leaf = word
                .cpuid_input_ecx
                .map_or_else(String::new, |ecx| format!(".{ecx:x}"));
            cpu += &format!(
                " {:x}{leaf}.{}={:x}",
                word.cpuid_input_eax,
                word.cpuid_register.to_lowercase(),
                word.features
            );
        }
    }
    Ok(cpu)
}

/// The devices that were asked for, with their types, and where everything lies on the PCI buses.
async fn devices(qemu: &Instance) -> Result<Vec<String>, HypervisorError> {
    let mut devices = Vec::new();
    for path in ["/machine/peripheral", "/machine/peripheral-anon"] {
        let children: Vec<Property> = qemu.query("qom-list", json!({"path": path})).await?;
        for child in children {
            if let Some(kind) = child.kind.strip_prefix("child<") {
                devices.push(format!("{} {}", kind.trim_end_matches('>'), child.name));
            }
        }
    }
    // In the order of a hash table of QEMU's.
    devices.sort();
    if let Ok(buses) = qemu.query::<Vec<PciBus>>("query-pci", json!({})).await {
        for bus in buses {
            pci(bus.bus, &bus.devices, &mut devices);
        }
    }
    Ok(devices)
}

fn pci(bus: u32, devices: &[PciDevice], list: &mut Vec<String>) {
    for device in devices {
        let PciDevice {
            slot,
            function,
            qdev_id,
            id,
            pci_bridge,
        } = device;
        let entry = format!(
            "pci {bus}:{slot}.{function} {:04x}:{:04x} {qdev_id}",
            id.vendor, id.device
        );
        list.push(entry.trim_end().to_owned());
        if let Some(bridge) = pci_bridge {
            pci(bridge.bus.secondary, &bridge.devices, list);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            version: Version {
                major: 7,
                minor: 2,
                micro: 22,
            },
            machine: "pc-q35-7.2".into(),
            cpu: "qemu64 1.edx=1".into(),
            accelerator: "tcg".into(),
            processors: 1,
            memory: 192 << 20,
            devices: vec![
                "virtio-net-pci nic0".into(),
                "pci 0:1.0 1af4:1000 nic0".into(),
            ],
        }
    }

    fn guest() -> Description {
        let Machine {
            version,
            machine,
            cpu,
            accelerator,
            processors,
            memory,
            devices,
        } = machine();
        let (name, hypervisor, version) = ("vm1".into(), "qemu".into(), version.to_string());
        Description {
            name,
            hypervisor,
            version,
            machine,
            cpu,
            accelerator,
            processors,
            memory,
            devices,
            disks: Vec::new(),
        }
    }

    fn differences(change: impl FnOnce(&mut Description)) -> String {
        let mut guest = guest();
        change(&mut guest);
        machine().differences(&guest).join("; ")
    }

    #[test]
    fn finds_every_difference() {
        assert_eq!(differences(|_| {}), "");
        let machine = differences(|guest| guest.machine = "pc-q35-9.0".into());
        assert_eq!(
            machine,
            "machine type: the guest has pc-q35-9.0, here it would have pc-q35-7.2"
        );
        assert!(differences(|guest| guest.cpu += " 7.ebx=9").starts_with("processor: "));
        assert!(differences(|guest| guest.accelerator = "kvm".into()).starts_with("accelerator: "));
        assert!(differences(|guest| guest.processors = 2).starts_with("processors: "));
        assert!(differences(|guest| guest.memory += 1).starts_with("memory: "));
        let missing = differences(|guest| guest.devices.push("virtio-rng-pci rng".into()));
        assert_eq!(missing, "devices that are missing here: virtio-rng-pci rng");
        assert!(
            differences(|guest| drop(guest.devices.pop()))
                .starts_with("devices that the guest does not have")
        );
        assert_eq!(
            differences(|guest| guest.devices.reverse()),
            "the same devices in another order"
        );
    }

    #[test]
    fn goes_to_the_same_or_a_later_qemu() {
        for fits in ["7.2.0", "7.2.99", "6.9.0", "7.1.0"] {
            assert_eq!(differences(|guest| guest.version = fits.into()), "");
        }
        for later in ["7.3.0", "10.0.2"] {
            assert!(
                differences(|guest| guest.version = later.into()).contains("the earlier 7.2.22")
            );
        }
        assert!(differences(|guest| guest.version = "new".into()).contains("is no version"));
    }
}
