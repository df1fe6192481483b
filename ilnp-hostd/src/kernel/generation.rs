//! The VM Generation ID: a number that a hypervisor changes when it starts a machine from a saved
//! state or clones it, and keeps in a live migration.
//!
//! Kernels say little of it: Debian's cloud kernel 6.1 has no driver for it, and the one of 6.12
//! reseeds its random numbers and tells nobody but the log. QEMU shows the number to `qemu_fw_cfg`
//! as well, which both have, at any time and as it is now.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Where `qemu_fw_cfg` shows the table that the ACPI device `QEMUVGID` points into.
const TABLE: &str = "/sys/firmware/qemu_fw_cfg/by_name/etc/vmgenid_guid/raw";
/// Where in it the number is (docs/specs/vmgenid in QEMU).
const OFFSET: u64 = 40;

/// A VM Generation ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation([u8; 16]);

impl Generation {
    /// The one with these octets, in the order in which they lie in memory.
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The one that this machine has now; `None` where the hypervisor gives none, or it cannot be
    /// read.
    pub fn of_this_machine() -> Option<Self> {
        Self::read(Path::new(TABLE))
    }

    fn read(path: &Path) -> Option<Self> {
        let mut octets = [0; 16];
        File::open(path)
            .ok()?
            .read_exact_at(&mut octets, OFFSET)
            .ok()?;
        Some(Self(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_found_where_qemu_puts_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("raw");
        let mut table = vec![0; 4096];
        table[40..56].copy_from_slice(&[7; 16]);
        std::fs::write(&path, table).unwrap();
        assert_eq!(Generation::read(&path), Some(Generation([7; 16])));
    }

    #[test]
    fn what_is_not_there_or_too_short_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("raw");
        assert_eq!(Generation::read(&path), None);
        std::fs::write(&path, [0; 55]).unwrap();
        assert_eq!(Generation::read(&path), None);
    }
}
