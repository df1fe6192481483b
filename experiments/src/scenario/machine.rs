//! What is said of a host that is a virtual machine.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units;

/// A virtual machine. It moves as a running one, from the hypervisor of a site to another one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Vm {
    /// Its memory in octets, in whole MiB.
    #[serde(with = "units::size")]
    pub memory: u64,
    /// What runs it.
    pub accelerator: Accelerator,
    /// Its disk, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
}

/// A disk: an overlay on a base image that every hypervisor has a copy of. Moves take the overlay
/// along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Disk {
    /// Its size in octets, as the guest sees it, in whole MiB.
    #[serde(with = "units::size")]
    pub size: u64,
    /// How much of it has been written since it was an image, in octets, in whole MiB.
    #[serde(with = "units::size")]
    pub written: u64,
}

/// What runs the instructions of a virtual machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// QEMU itself, which works everywhere.
    #[default]
    Tcg,
    /// The processor. That `/dev/kvm` is there does not mean that guests come up under it, so this
    /// has to be asked for.
    Kvm,
}

impl Default for Vm {
    fn default() -> Self {
        Self {
            memory: 192 << 20,
            accelerator: Accelerator::Tcg,
            disk: None,
        }
    }
}

/// Something that breaks while a virtual machine is moved. It runs on at one of the two hypervisors
/// then; where that is the one that it was to leave, it is moved again and nothing breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fault {
    /// What breaks.
    pub what: Breaks,
    /// When, from the request to move it.
    #[serde(with = "units::duration")]
    pub after: Duration,
}

/// What breaks. Agents are killed, and started again after a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Breaks {
    /// The agent of the hypervisor that is left.
    SourceAgent,
    /// The agent of the hypervisor that it moves to.
    TargetAgent,
    /// The agents of both.
    BothAgents,
    /// Nothing: an operator has the move aborted.
    Abort,
}
