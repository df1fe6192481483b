//! What is in the image of a machine: the programs that run in it, and how they are started.

use std::fmt::Write;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use ilnp_core::id::{Handle, HandlePrefix, IlVector, Locator};

use super::Machine;
use crate::daemon::configuration::KEY_IN_GUEST;
use crate::error::{Doing, LabError};
use crate::guest::{Image, Kernel};
use crate::programs::Programs;
use crate::scenario::Scenario;
use crate::workload::in_guest::{self, Furniture};

/// Where the daemon finds its configuration in a guest.
const CONFIGURATION: &str = "/etc/ilnp/hostd.toml";

/// The daemon of a guest.
pub(crate) struct Daemon<'a> {
    /// Where the programs are.
    pub(crate) programs: &'a Programs,
    /// The text of its configuration.
    pub(crate) configuration: String,
    /// The file with the key that signs its updates of DNS.
    pub(crate) key: Option<PathBuf>,
}

/// Makes the image of a machine, with a daemon when one is to run. What the clients of its servers
/// need is left below the folder `sessions`; `probe_end` is the program that answers probes.
pub(crate) fn furnish(
    machine: &Machine,
    scenario: &Scenario,
    kernel: &Kernel,
    daemon: Option<&Daemon<'_>>,
    sessions: &Path,
    probe_end: &Path,
) -> Result<PathBuf, LabError> {
    let mut image = Image::begin(&machine.directory().join("image.cpio"), kernel)?;
    let mut start = format!("hostname {}\n", machine.name());
    match daemon {
        Some(daemon) => {
            image.program(&daemon.programs.daemon, "/usr/bin/ilnp-hostd")?;
            image.program(&daemon.programs.command, "/usr/bin/ilnp")?;
            image.file(CONFIGURATION, 0o644, daemon.configuration.as_bytes())?;
            if let Some(key) = &daemon.key {
                let content = std::fs::read(key).doing(|| format!("read {}", key.display()))?;
                image.file(KEY_IN_GUEST, 0o600, &content)?;
            }
            let _ = writeln!(
                start,
                "ip link set eth0 up\nilnp-hostd --config {CONFIGURATION} >/dev/console 2>&1 &"
            );
        }
        // As a daemon would, it forms its address out of its identifier.
        None => {
            let nothing = Locator::from_bits(0);
            let token = IlVector::new(machine.settings().nid, nothing).address();
            let _ = writeln!(
                start,
                "/usr/sbin/ip token set {token} dev eth0\nip link set eth0 up"
            );
        }
    }
    let furniture = Furniture {
        guest: machine.name(),
        reach: |name: &str| reach(scenario, daemon.is_some(), name),
        sessions,
        probe_end,
        seed: scenario.seed,
    };
    for (index, workload) in (0u16..).zip(&scenario.workloads) {
        if workload.from == machine.name() {
            in_guest::add_near_end(&mut image, probe_end)?;
        }
        if workload.servers().any(|name| name == machine.name()) {
            start.push_str(&in_guest::add(&mut image, workload, index, &furniture)?);
        }
    }
    image.finish(&start)
}

/// The address by which a guest reaches another host from its start: the handle when both speak
/// ILNP.
fn reach(scenario: &Scenario, speaks_ilnp: bool, name: &str) -> Option<Ipv6Addr> {
    let host = scenario.host(name)?;
    if speaks_ilnp && host.ilnp {
        return Some(HandlePrefix::DEFAULT.address(Handle::new(host.nid)));
    }
    let prefix = scenario.site(&host.site)?.prefixes.first()?;
    Some(IlVector::new(host.nid, *prefix).address())
}
