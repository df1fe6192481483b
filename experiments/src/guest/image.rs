//! The image that a guest boots: one file that QEMU takes for `-initrd`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Archive, Kernel, libraries};
use crate::error::{Doing, LabError};
use crate::process;

/// The script that starts what a run wants of a guest; its first program reads it.
pub const START: &str = "/lab/start";

const INIT: &str = include_str!("init");
const BUSYBOX: &str = "/usr/bin/busybox";
/// What every guest has besides: the addresses of an interface are more than busybox can set.
const IP: &str = "/usr/sbin/ip";

/// What the kernel needs, in an order in which each finds what it depends on.
const MODULES: [&str; 15] = [
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci",
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
    "drivers/block/virtio_blk",
    "drivers/char/virtio_console",
    "drivers/char/hw_random/virtio-rng",
    "drivers/net/tun",
    "net/sched/sch_ingress",
    "net/sched/cls_bpf",
    "drivers/firmware/qemu_fw_cfg",
];

const ETC: [(&str, &str); 4] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n\
         postgres:x:101:101::/tmp:/bin/sh\n",
    ),
    (
        "/etc/group",
        "root:x:0:\npostgres:x:101:\nnogroup:x:65534:\n",
    ),
    // sshd refuses root where the password is locked.
    (
        "/etc/shadow",
        "root:*:20000:0:99999:7:::\nsshd:!:20000::::::\n",
    ),
    (
        "/etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    ),
];

/// An image that is being made.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    archive: Archive<BufWriter<File>>,
    /// The libraries that are in it.
    libraries: BTreeSet<PathBuf>,
    /// The programs that are in it, by their names there.
    programs: BTreeSet<String>,
}

impl Image {
    /// An image with the kernel's modules, busybox, `ip` and the first program.
    ///
    /// # Errors
    /// [`LabError`] when a file is missing or the image cannot be written.
    pub fn begin(path: &Path, kernel: &Kernel) -> Result<Self, LabError> {
        let file = File::create(path).doing(|| format!("write {}", path.display()))?;
        let mut image = Self {
            path: path.to_owned(),
            archive: Archive::new(BufWriter::new(file)),
            libraries: BTreeSet::new(),
            programs: BTreeSet::new(),
        };
        // Before the first program mounts /dev it needs somewhere to say what goes wrong.
        image.write(|archive| archive.device(Path::new("/dev/console"), (5, 1)))?;
        image.file("/init", 0o755, INIT.as_bytes())?;
        let mut modules = String::new();
        for place in MODULES {
            let source = kernel.module(place)?;
            let name = place.rsplit('/').next().unwrap_or(place);
            let target = format!("/lib/modules/{name}.ko");
            image.file(&target, 0o644, &read(&source)?)?;
            modules.push_str(&format!("{target}\n"));
        }
        image.file("/lab/modules", 0o644, modules.as_bytes())?;
        for (name, text) in ETC {
            let mode = if name == "/etc/shadow" { 0o600 } else { 0o644 };
            image.file(name, mode, text.as_bytes())?;
        }
        image.program(Path::new(BUSYBOX), "/bin/busybox")?;
        image.write(|archive| archive.link(Path::new("/bin/sh"), "busybox"))?;
        image.program(Path::new(IP), IP)?;
        Ok(image)
    }

    /// Adds a program under the name `target`, once, without what only debuggers read, and the
    /// libraries that it wants.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn program(&mut self, program: &Path, target: &str) -> Result<(), LabError> {
        if !self.programs.insert(target.to_owned()) {
            return Ok(());
        }
        for library in libraries::of(program)? {
            if self.libraries.insert(library.clone()) {
                let content = read(&library)?;
                self.write(|archive| archive.file(&library, 0o755, &content))?;
            }
        }
        let stripped = self.path.with_extension("stripped");
        let mut strip = Command::new("strip");
        process::run(strip.arg("-o").arg(&stripped).arg(program), "")?;
        let content = read(&stripped)?;
        fs::remove_file(&stripped).doing(|| format!("remove {}", stripped.display()))?;
        self.file(target, 0o755, &content)
    }

    /// Adds a file.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<(), LabError> {
        self.write(|archive| archive.file(Path::new(name), mode, content))
    }

    /// Adds an empty folder.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn folder(&mut self, name: &str) -> Result<(), LabError> {
        self.write(|archive| archive.folder(Path::new(name)))
    }

    /// Completes the image, with the script that is to be [`START`], and returns its file.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn finish(mut self, start: &str) -> Result<PathBuf, LabError> {
        self.file(START, 0o644, start.as_bytes())?;
        let path = self.path;
        self.archive
            .finish()
            .doing(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    fn write(
        &mut self,
        add: impl FnOnce(&mut Archive<BufWriter<File>>) -> std::io::Result<()>,
    ) -> Result<(), LabError> {
        let path = &self.path;
        add(&mut self.archive).doing(|| format!("write {}", path.display()))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, LabError> {
    fs::read(file).doing(|| format!("read {}", file.display()))
}
