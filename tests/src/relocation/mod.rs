//! Two agents of `ilnp-relocate`, two sites and a guest in a real QEMU that each could run.
#![expect(
    clippy::unwrap_used,
    reason = "a world that cannot be built ends the test"
)]

pub mod endurance;
#[path = "../../../ilnp-relocate/tests/qemu/image.rs"]
mod image;
#[path = "../../../ilnp-relocate/tests/qemu/records.rs"]
mod records;
pub mod wire;
pub mod world;
