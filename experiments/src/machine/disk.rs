//! The disk of a machine: at every hypervisor a copy of one base image, and at the first an overlay
//! with what was written since.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Doing, LabError};
use crate::process;
use crate::scenario;
use crate::workload::make_file;

/// How much of the base image is not zero.
const CONTENT: u64 = 64 << 20;
/// What is written again and again.
const PIECE: u64 = 8 << 20;
/// The most that `qemu-io` writes at once.
const AT_ONCE: u64 = 1 << 30;

/// The files of a disk; they are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Makes the images in a folder of their own: for each hypervisor a base, and for the machine
    /// that starts at one of them an overlay. What is in them derives from the seed.
    pub(crate) fn make(
        folder: PathBuf,
        settings: scenario::Disk,
        hypervisors: &[&str],
        start: &str,
        seed: u64,
    ) -> Result<Self, LabError> {
        let what = || format!("make the images of a disk in {}", folder.display());
        if folder.exists() {
            // An earlier lab was killed.
            fs::remove_dir_all(&folder).doing(what)?;
        }
        fs::create_dir_all(&folder).doing(what)?;
        let disk = Self { folder };
        let raw = disk.folder.join("raw");
        make_file(&raw, CONTENT.min(settings.size), seed)
            .doing(|| format!("write {}", raw.display()))?;
        let grown = File::options().write(true).open(&raw);
        grown
            .and_then(|file| file.set_len(settings.size))
            .doing(|| format!("write {}", raw.display()))?;
        for hypervisor in hypervisors {
            let mut convert = Command::new("qemu-img");
            convert.args(["convert", "-f", "raw", "-O", "qcow2"]);
            process::run(convert.arg(&raw).arg(disk.base(hypervisor)), "")?;
        }
        remove(&raw)?;
        let (base, overlay) = (disk.base(start), disk.overlay(start));
        let mut create = Command::new("qemu-img");
        create.args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]);
        process::run(create.arg(base).arg(&overlay), "")?;
        disk.write(&overlay, settings.written, seed)?;
        Ok(disk)
    }

    /// Writes on top of the base, from its begin.
    fn write(&self, overlay: &Path, length: u64, seed: u64) -> Result<(), LabError> {
        let piece = self.folder.join("piece");
        make_file(&piece, PIECE, !seed).doing(|| format!("write {}", piece.display()))?;
        let mut command = Command::new("qemu-io");
        command.args(["-f", "qcow2"]);
        let mut done = 0;
        while done < length {
            let part = AT_ONCE.min(length - done);
            let order = format!("write -q -s {} {done} {part}", piece.display());
            command.args(["-c", &order]);
            done += part;
        }
        process::run(command.arg(overlay), "")?;
        remove(&piece)
    }

    /// The lines of an agent's configuration that say where the disk is at its hypervisor.
    pub(super) fn configuration(&self, hypervisor: &str) -> String {
        format!(
            "\n[[guest.disk]]\nid = \"disk0\"\nbase = \"{}\"\noverlay = \"{}\"\n",
            self.base(hypervisor).display(),
            self.overlay(hypervisor).display(),
        )
    }

    fn base(&self, hypervisor: &str) -> PathBuf {
        self.folder.join(format!("base-{hypervisor}.qcow2"))
    }

    fn overlay(&self, hypervisor: &str) -> PathBuf {
        self.folder.join(format!("overlay-{hypervisor}.qcow2"))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "cannot remove the images of a disk");
        }
    }
}

fn remove(file: &Path) -> Result<(), LabError> {
    fs::remove_file(file).doing(|| format!("remove {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn every_hypervisor_has_the_base_and_the_first_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let settings = scenario::Disk {
            size: 256 << 20,
            written: 16 << 20,
        };
        let place = folder.path().join("disk");
        let disk = Disk::make(place.clone(), settings, &["a", "b"], "b", 7).unwrap();
        let info = |image: PathBuf| -> Value {
            let mut command = Command::new("qemu-img");
            command.args(["info", "--output=json"]).arg(image);
            serde_json::from_slice(&process::run(&mut command, "").unwrap().stdout).unwrap()
        };
        for base in [disk.base("a"), disk.base("b")] {
            let info = info(base);
            assert_eq!(info["virtual-size"], settings.size);
            assert!(info["actual-size"].as_u64().unwrap() >= CONTENT);
        }
        assert!(!disk.overlay("a").exists());
        let overlay = info(disk.overlay("b"));
        assert_eq!(overlay["virtual-size"], settings.size);
        let written = overlay["actual-size"].as_u64().unwrap();
        assert!((settings.written..settings.written * 2).contains(&written));
        let same = Command::new("cmp")
            .args([disk.base("a"), disk.base("b")])
            .status();
        assert!(same.unwrap().success());
        drop(disk);
        assert!(!place.exists());
    }
}
