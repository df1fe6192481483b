//! What a lab needs: root, programs of Debian packages, programs of this workspace.

use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::error::{Doing, LabError};
use crate::lab::Options;
use crate::scenario::{Protocol, Scenario, Software};

/// Programs, and the packages that have them.
type Needed = &'static [(&'static str, &'static str)];

const NETWORK: Needed = &[
    ("ip", "iproute2"),
    ("sysctl", "procps"),
    ("nft", "nftables"),
    ("radvd", "radvd"),
];
/// BIND makes the keys for other servers as well; the others judge.
const NAMES: Needed = &[
    ("named", "bind9"),
    ("tsig-keygen", "bind9"),
    ("dig", "bind9-dnsutils"),
    ("kdig", "knot-dnsutils"),
];

/// Virtual machines.
const MACHINES: Needed = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("strip", "binutils"),
    ("apt-get", "apt"),
];

/// Disks of virtual machines.
const DISKS: Needed = &[("qemu-img", "qemu-utils"), ("qemu-io", "qemu-utils")];

/// Where the programs of this workspace are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// `ilnp-hostd`.
    pub(crate) daemon: PathBuf,
    /// `ilnp`.
    pub(crate) command: PathBuf,
    /// `ilnp-dnsd`, where a scenario has it.
    pub(crate) dnsd: Option<PathBuf>,
}

impl Programs {
    /// Finds the programs in a folder, or beside the running program.
    fn find(folder: Option<&Path>, dnsd: bool) -> Result<Self, LabError> {
        let find = |name| find(folder, name);
        Ok(Self {
            daemon: find("ilnp-hostd")?,
            command: find("ilnp")?,
            dnsd: dnsd.then(|| find("ilnp-dnsd")).transpose()?,
        })
    }
}

/// The program that answers the lab's probes in a guest.
pub(crate) fn probe_end(options: &Options) -> Result<PathBuf, LabError> {
    find(options.bin_dir.as_deref(), "ilnp-lab-end")
}

/// The agent of hypervisors, which is its command as well.
pub(crate) fn relocate(options: &Options) -> Result<PathBuf, LabError> {
    find(options.bin_dir.as_deref(), "ilnp-relocate")
}

/// Finds a program of this workspace in a folder, or beside the running program.
fn find(folder: Option<&Path>, name: &str) -> Result<PathBuf, LabError> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => beside_this_program()?,
    };
    let path = folder.join(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(LabError::NotBuilt(path))
    }
}

/// The folder of the running program. Cargo puts tests into a folder `deps` below it.
fn beside_this_program() -> Result<PathBuf, LabError> {
    let this = std::env::current_exe().doing(|| "find the running program".to_owned())?;
    let folder = this.parent().unwrap_or_else(|| Path::new("/"));
    Ok(match folder.parent() {
        Some(parent) if folder.ends_with("deps") => parent.to_owned(),
        _ => folder.to_owned(),
    })
}

/// Checks that a lab can be built: root, the system's programs, a valid scenario. Returns the
/// daemon's programs when hosts are to speak ILNP.
pub(crate) fn find_programs(
    scenario: &Scenario,
    protocol: Protocol,
    options: &Options,
) -> Result<Option<Programs>, LabError> {
    if !geteuid().is_root() {
        return Err(LabError::NotRoot);
    }
    require_all(NETWORK)?;
    if scenario.hosts.iter().any(|host| host.vm.is_some()) {
        require_all(MACHINES)?;
    }
    if protocol == Protocol::Ilnp && !scenario.name_servers.is_empty() {
        require_all(NAMES)?;
    }
    let mut machines = scenario.hosts.iter().filter_map(|host| host.vm);
    if machines.any(|vm| vm.disk.is_some()) {
        require_all(DISKS)?;
    }
    scenario
        .validate()
        .map_err(|invalid| LabError::Misuse(invalid.to_string()))?;
    let mut servers = scenario.name_servers.iter();
    let dnsd = servers.any(|server| server.kind == Software::IlnpDnsd);
    let speakers = scenario.hosts.iter().any(|host| host.ilnp);
    (speakers && protocol == Protocol::Ilnp)
        .then(|| Programs::find(options.bin_dir.as_deref(), dnsd))
        .transpose()
}

/// Refuses to go on without one of these programs.
pub(crate) fn require_all(needed: &[(&str, &str)]) -> Result<(), LabError> {
    let mut needed = needed.iter();
    needed.try_for_each(|(program, package)| require(program, package))
}

/// Refuses to go on without a program.
pub(crate) fn require(program: &str, package: &str) -> Result<(), LabError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Where Debian keeps the programs of the administrator, which `su` leaves out of the path.
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    if places
        .into_iter()
        .any(|place| place.join(program).is_file())
    {
        Ok(())
    } else {
        Err(LabError::Missing {
            program: program.to_owned(),
            package: package.to_owned(),
        })
    }
}
