//! Two agents, two sites, one guest in a real QEMU.

#![expect(clippy::unwrap_used, reason = "a test that fails ends here")]

mod cuts;
mod failures;
#[path = "../qemu/image.rs"]
mod image;
mod moves;
mod world;
