//! The kernel's networking: links, addresses, routes, neighbours, sysctls and neighbour discovery.
//!
//! Nothing outside this module names a netlink type.
//!
//! | module | what it does |
//! |---|---|
//! | [`discovery`] | Router Solicitations, Router Advertisements and probes of routers |
//! | [`ilnp_interface`] | address, MTU and routes of the interface that bears the handles |
//! | [`sockets`] | lists the TCP and UDP sockets |
//! | [`sysctl`] | reads and writes `/proc/sys/net/ipv6/conf` |
//! | [`Generation`] | which start of a virtual machine this is |
//! | [`Monitor`] | tells of changes |
//! | [`Netlink`] | makes changes |
//! | [`Undo`] | takes changes back, after a crash as well |

mod address;
pub mod discovery;
mod event;
mod generation;
pub mod ilnp_interface;
mod link;
mod monitor;
mod netlink;
mod route;
pub mod sockets;
pub mod sysctl;
mod undo;

use std::io;
use std::path::PathBuf;

pub use address::ChangedLifetime;
pub use event::{Address, KernelEvent, Link, Snapshot};
pub use generation::Generation;
pub use monitor::Monitor;
pub use netlink::Netlink;
pub use undo::{Setting, Undo, restore_token};

/// The kernel did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A socket could not be had.
    #[error("cannot open {what}: {source} (the daemon needs CAP_NET_ADMIN and CAP_NET_RAW)")]
    Socket {
        /// Which.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A request was refused.
    #[error("cannot {what}: {source}")]
    Request {
        /// What was asked for.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// There is no such interface.
    #[error("there is no interface {name}")]
    NoInterface {
        /// The name that was looked for.
        name: String,
    },
    /// A sysctl could not be read or written.
    #[error("sysctl {}: {source}", path.display())]
    Sysctl {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal of changes could not be read or written.
    #[error(
        "the record of changed settings {}: {source} (if it is damaged, remove it; the settings that it listed then stay as they are)",
        path.display()
    )]
    Undo {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
