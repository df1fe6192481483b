//! Guests that run in QEMU processes of their own.
//!
//! A QEMU outlives the agent that started it: it has a session of its own, writes to a log file of
//! its own, and is found again by its QMP socket.

mod settings;

pub(crate) use settings::check_name;
pub use settings::{DiskSettings, Settings};
