//! A client of the QEMU Machine Protocol over a Unix socket.
//!
//! QEMU serves one client at a time on a monitor. A client that comes back, as after a restart of
//! the agent, gets a fresh session: the greeting, and no word of what happened meanwhile. Fields,
//! events and messages that this client does not know are passed over: a later QEMU has more.

mod client;
mod line;
mod message;

pub use client::{Client, Events};
pub use message::Event;

use std::path::PathBuf;

/// Why QEMU did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// Nothing serves the socket.
    #[error("cannot connect to QEMU's monitor {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The socket takes connections, but says nothing.
    #[error(
        "QEMU's monitor {} does not greet: another program is connected to it, or QEMU hangs",
        path.display()
    )]
    NoGreeting {
        /// The socket.
        path: PathBuf,
    },
    /// QEMU refuses a command.
    #[error("QEMU refuses {command}: {description} ({class})")]
    Refused {
        /// The command.
        command: &'static str,
        /// QEMU's class of the error.
        class: String,
        /// QEMU's words.
        description: String,
    },
    /// QEMU does not answer a command.
    #[error("QEMU does not answer {command} within {seconds} s")]
    TimedOut {
        /// The command.
        command: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// An answer is not what the protocol's documentation says.
    #[error("cannot read QEMU's answer to {command}: {reason}")]
    Unreadable {
        /// The command.
        command: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The connection has ended, as it does when QEMU ends.
    #[error("the connection to QEMU's monitor has ended: {reason}")]
    Closed {
        /// What was seen.
        reason: String,
    },
}
