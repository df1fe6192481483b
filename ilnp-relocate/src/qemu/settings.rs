//! What a site's configuration says about one guest.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::hypervisor::HypervisorError;

/// The longest path of a Unix socket (`sun_path` has 108 octets, one of them for the end).
const MAX_SOCKET_PATH: usize = 107;
/// The longest name of a guest or disk: it becomes part of file names and of QEMU's identifiers.
const MAX_NAME: usize = 32;
/// The longest identifier of a disk: QEMU's names of block nodes have at most 31 octets, and ours
/// add up to ten to it.
const MAX_DISK_ID: usize = 16;

/// A guest as it is run at this site. Paths are absolute: QEMU must find them again whatever
/// directory the agent is started in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The guest's name, the same at every site.
    pub name: String,
    /// The QEMU to run, as `qemu-system-x86_64`; looked for in `PATH` when it has no slash.
    pub program: PathBuf,
    /// The machine type (`-machine`). One with a version, as `pc-q35-7.2`, lets sites have
    /// different versions of QEMU.
    pub machine: String,
    /// The processor model with its flags (`-cpu`).
    pub cpu: String,
    /// The accelerator with its options (`-accel`), as `tcg,thread=multi`.
    pub accelerator: String,
    /// The memory in octets, whole mebibytes.
    pub memory: u64,
    /// How many virtual processors.
    pub processors: u32,
    /// Further arguments, of this site: kernel, network devices.
    pub arguments: Vec<String>,
    /// Whether the guest gets the virtio-serial port that it is told of moves by.
    pub port: bool,
    /// The disks.
    pub disks: Vec<DiskSettings>,
    /// Where sockets, process identifier and log are. Of this agent alone.
    pub run_dir: PathBuf,
    /// Where digests of base images are remembered.
    pub state_dir: PathBuf,
}

/// A disk of a guest at this site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSettings {
    /// What the disk is called, the same at every site.
    pub id: String,
    /// The image that the overlay lies on, qcow2 or raw. Never written.
    pub base: Option<PathBuf>,
    /// The qcow2 image that the guest writes.
    pub overlay: PathBuf,
}

impl Settings {
    /// Says what is wrong with these settings, as far as they tell by themselves.
    ///
    /// # Errors
    /// [`HypervisorError::Refused`], which names the setting.
    pub fn validate(&self) -> Result<(), HypervisorError> {
        let refused = |what: String| Err(HypervisorError::Refused(what));
        if let Err(why) = check_name(&self.name) {
            return refused(format!("the guest name {:?} {why}", self.name));
        }
        let name = &self.name;
        if self.processors == 0 {
            return refused(format!("guest {name} has no processor"));
        }
        if self.memory == 0 || !self.memory.is_multiple_of(1 << 20) {
            return refused(format!(
                "the memory of guest {name} is not a whole number of mebibytes"
            ));
        }
        for (position, disk) in self.disks.iter().enumerate() {
            if let Err(why) = check_name(&disk.id) {
                return refused(format!("the disk id {:?} of guest {name} {why}", disk.id));
            }
            if disk.id.len() > MAX_DISK_ID {
                return refused(format!(
                    "the disk id {:?} of guest {name} has more than {MAX_DISK_ID} octets",
                    disk.id
                ));
            }
            if self.disks[..position]
                .iter()
                .any(|other| other.id == disk.id)
            {
                return refused(format!("guest {name} has two disks {}", disk.id));
            }
        }
        let images = self
            .disks
            .iter()
            .flat_map(|disk| disk.base.iter().chain([&disk.overlay]));
        let directories = [&self.run_dir, &self.state_dir];
        if let Some(path) = images.chain(directories).find(|path| !path.is_absolute()) {
            return refused(format!(
                "{} (guest {name}) is not an absolute path",
                path.display()
            ));
        }
        let socket = self.mirror_socket(&"x".repeat(MAX_DISK_ID));
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            return refused(format!(
                "{} is too long for a Unix socket: at most {MAX_SOCKET_PATH} octets; shorten run-dir or the guest's name",
                socket.display()
            ));
        }
        Ok(())
    }

    /// Makes the directory for sockets, which nobody else may enter: they ask for no password.
    pub(super) fn create_run_dir(&self) -> Result<(), HypervisorError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&self.run_dir)
            .map_err(|error| HypervisorError::Failed {
                doing: format!("create {}", self.run_dir.display()),
                reason: error.to_string(),
            })
    }

    /// The Unix socket that QEMU serves the guest's port at.
    #[must_use]
    pub fn port_socket(&self) -> PathBuf {
        self.in_run_dir("port")
    }

    /// The Unix socket of the monitor.
    pub(super) fn monitor_socket(&self) -> PathBuf {
        self.in_run_dir("qmp")
    }

    /// The Unix socket that a guest's memory arrives at.
    pub(super) fn memory_socket(&self) -> PathBuf {
        self.in_run_dir("memory")
    }

    /// The Unix socket that a guest's disks arrive at.
    pub(super) fn disk_socket(&self) -> PathBuf {
        self.in_run_dir("nbd")
    }

    /// The file with QEMU's process identifier, which QEMU locks while it lives.
    /// The Unix socket that the target's disk is opened at here.
    pub(super) fn mirror_socket(&self, disk: &str) -> PathBuf {
        self.in_run_dir(&format!("mirror-{disk}"))
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.in_run_dir("pid")
    }

    /// What QEMU writes to its standard output and error, since it was started.
    pub(super) fn log_file(&self) -> PathBuf {
        self.in_run_dir("log")
    }

    fn in_run_dir(&self, kind: &str) -> PathBuf {
        self.run_dir.join(format!("{}.{kind}", self.name))
    }
}

impl DiskSettings {
    /// Where the disk of a guest that arrives is written until the guest runs here. The name alone
    /// says that it may be thrown away, whoever finds it.
    pub(super) fn incoming(&self) -> PathBuf {
        with_suffix(&self.overlay, ".incoming")
    }

    /// Where the overlay of an earlier stay is put when the guest comes back. There is one at most.
    pub(super) fn left_behind(&self) -> PathBuf {
        with_suffix(&self.overlay, ".left")
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// Letters, digits, `-`, `_` and `.`, and a letter first: what QEMU takes for an identifier.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.len() > MAX_NAME {
        return Err("has more than 32 octets");
    }
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Err("does not begin with a letter");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.chars().all(allowed) {
        return Err("has other characters than letters, digits, '-', '_' and '.'");
    }
    Ok(())
}

/// Settings for tests.
#[cfg(test)]
pub(super) fn example() -> Settings {
    Settings {
        name: "vm1".into(),
        program: "qemu-system-x86_64".into(),
        machine: "pc-q35-7.2".into(),
        cpu: "qemu64,-cx16".into(),
        accelerator: "tcg,thread=multi".into(),
        memory: 192 << 20,
        processors: 1,
        arguments: Vec::new(),
        port: true,
        disks: vec![DiskSettings {
            id: "vd0".into(),
            base: Some("/images/base.qcow2".into()),
            overlay: "/images/vm1.qcow2".into(),
        }],
        run_dir: "/run/ilnp-relocate".into(),
        state_dir: "/var/lib/ilnp-relocate".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut Settings)) -> String {
        let mut changed = example();
        change(&mut changed);
        changed.validate().unwrap_err().to_string()
    }

    #[test]
    fn accepts_usual_settings() {
        example().validate().unwrap();
    }

    #[test]
    fn refuses_what_qemu_would_misread() {
        let name = |name: &str| refusal(|settings| settings.name = name.into());
        assert!(name("").contains("does not begin with a letter"));
        assert!(name("../x").contains("does not begin with a letter"));
        assert!(name("a/b").contains("other characters"));
        assert!(name("a,id=b").contains("other characters"));
        assert!(name(&"a".repeat(33)).contains("more than 32 octets"));
        assert!(refusal(|settings| settings.disks[0].id = "0".into()).contains("disk id"));
        let long = refusal(|settings| settings.disks[0].id = "d".repeat(17));
        assert!(long.contains("more than 16 octets"));
    }

    #[test]
    fn refuses_impossible_machines() {
        assert!(refusal(|settings| settings.processors = 0).contains("no processor"));
        assert!(refusal(|settings| settings.memory = 0).contains("mebibytes"));
        assert!(refusal(|settings| settings.memory += 1).contains("mebibytes"));
        let twice = refusal(|settings| settings.disks.push(settings.disks[0].clone()));
        assert!(twice.contains("two disks vd0"));
    }

    #[test]
    fn refuses_paths_that_do_not_work() {
        let relative = refusal(|settings| settings.disks[0].overlay = "vm1.qcow2".into());
        assert!(relative.contains("vm1.qcow2 (guest vm1) is not an absolute path"));
        let long = refusal(|settings| settings.run_dir = format!("/{}", "d".repeat(100)).into());
        assert!(long.contains("too long for a Unix socket"));
    }
}
