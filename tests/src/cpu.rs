//! Threads that stay on one processor.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Keeps the calling thread on one processor, so that a figure does not depend on where the
/// scheduler puts it.
///
/// # Errors
/// When there is no such processor.
pub fn pin(core: usize) -> nix::Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}
