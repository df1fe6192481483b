//! What runs that were killed left behind.

use std::path::Path;

use nix::mount::{MntFlags, umount2};

use super::{RUN, namespace};
use crate::error::{Doing, LabError};

/// Removes the namespaces, programs and files of runs whose process is gone, and returns how many
/// namespaces and folders that were.
///
/// # Errors
/// [`LabError`] at the first thing that cannot be removed.
pub fn remove_leftovers() -> Result<usize, LabError> {
    let mut removed = 0;
    for name in names_in(namespace::FOLDER) {
        if name.strip_prefix("ilnp-").is_some_and(is_orphan) {
            let path = Path::new(namespace::FOLDER).join(&name);
            unless_gone(namespace::remove(&name), &path)?;
            removed += 1;
        }
    }
    for name in names_in(RUN) {
        if is_orphan(&name) {
            let path = Path::new(RUN).join(name);
            unless_gone(remove_run_directory(&path), &path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Forgives a failure to remove what another lab removed at the same time.
fn unless_gone(result: Result<(), LabError>, path: &Path) -> Result<(), LabError> {
    if path.exists() { result } else { Ok(()) }
}

/// What is in a folder; nothing when there is none.
fn names_in(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    names.filter_map(|name| name.into_string().ok()).collect()
}

/// Whether a name of the form `PID-COUNT...` belongs to a process that is gone.
fn is_orphan(rest: &str) -> bool {
    let mut parts = rest.split('-');
    let (pid, count) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let numbers = pid.parse::<u32>().is_ok() && count.parse::<u32>().is_ok();
    numbers && !Path::new("/proc").join(pid).exists()
}

/// Unmounts what is mounted below the folder of a run, and removes the folder.
pub(super) fn remove_run_directory(directory: &Path) -> Result<(), LabError> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").doing(|| "read mounts".to_owned())?;
    for line in mounts.lines().rev() {
        let target = Path::new(line.split(' ').nth(1).unwrap_or_default());
        if target.starts_with(directory) {
            umount2(target, MntFlags::MNT_DETACH)
                .doing(|| format!("unmount {}", target.display()))?;
        }
    }
    std::fs::remove_dir_all(directory).doing(|| format!("remove {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_runs_of_processes_that_are_gone_are_leftovers() {
        let living = format!("{}-0-host-mobile", std::process::id());
        let table = [
            (living.as_str(), false),
            ("4194305-0-host-mobile", true), // above the largest pid_max
            ("4194305-x", false),
            ("hostd-1", false),
            ("", false),
        ];
        for (name, expected) in table {
            assert_eq!(is_orphan(name), expected, "{name}");
        }
    }
}
