//! Whether there is room for a guest.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::hypervisor::HypervisorError;

/// What QEMU needs besides the guest's memory: about 60 to 90 MiB were seen under software
/// emulation, most of them translated code.
const OVERHEAD: u64 = 96 << 20;
/// What an overlay needs besides what it is to hold: its tables, a two-thousandth, and a little.
const TABLES: u64 = 8 << 20;

/// Refuses a guest for which there is too little free memory.
pub(crate) fn check_memory(guest: &str, memory: u64) -> Result<(), HypervisorError> {
    let meminfo =
        std::fs::read_to_string("/proc/meminfo").map_err(|error| HypervisorError::Failed {
            doing: "read /proc/meminfo".to_owned(),
            reason: error.to_string(),
        })?;
    let Some(available) = available(&meminfo) else {
        return Ok(());
    };
    let needed = memory.saturating_add(OVERHEAD);
    if needed > available {
        return Err(HypervisorError::Refused(format!(
            "too little memory for {guest}: {} MiB are needed, {} MiB are free",
            needed >> 20,
            available >> 20
        )));
    }
    Ok(())
}

/// Refuses a disk for which there is too little room where its overlay is to be.
pub(crate) fn check_disk(overlay: &Path, octets: u64) -> Result<(), HypervisorError> {
    let directory = overlay.parent().unwrap_or(overlay);
    let room = statvfs(directory).map_err(|error| HypervisorError::Failed {
        doing: format!("find out how much room there is in {}", directory.display()),
        reason: error.desc().to_owned(),
    })?;
    let free = room.blocks_available().saturating_mul(room.fragment_size());
    let needed = octets.saturating_add(octets / 2048).saturating_add(TABLES);
    if needed > free {
        return Err(HypervisorError::Refused(format!(
            "too little room for {}: {} MiB are needed, {} MiB are free",
            overlay.display(),
            needed >> 20,
            free >> 20
        )));
    }
    Ok(())
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_available() {
        assert_eq!(
            available("MemTotal: 9 kB\nMemAvailable:      12 kB\n"),
            Some(12 << 10)
        );
        assert_eq!(available("MemAvailable: many kB\n"), None);
        assert_eq!(available(""), None);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        check_memory("vm1", 1 << 20).unwrap();
        let memory = check_memory("vm1", 1 << 60).unwrap_err().to_string();
        assert!(memory.starts_with("too little memory for vm1"), "{memory}");
        let overlay = std::env::temp_dir().join("vm1.qcow2");
        check_disk(&overlay, 1 << 20).unwrap();
        let disk = check_disk(&overlay, 1 << 60).unwrap_err().to_string();
        assert!(disk.starts_with("too little room for "), "{disk}");
        check_disk(Path::new("/nonexistent/vm1.qcow2"), 1).unwrap_err();
    }
}
