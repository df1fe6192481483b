//! Guests in real QEMU processes, moved between two sites on one machine.

#![expect(clippy::unwrap_used, reason = "a test that fails ends here")]

mod copy;
mod failures;
mod image;
mod link;
mod records;
mod refusals;
mod scene;
