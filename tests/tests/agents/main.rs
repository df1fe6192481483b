//! Two agents, two sites, one guest in a real QEMU.

#![expect(clippy::unwrap_used, reason = "a test that fails ends here")]

mod bases;
mod cuts;
mod endurance;
mod failures;
mod moves;
mod options;
mod restarts;
mod trials;
