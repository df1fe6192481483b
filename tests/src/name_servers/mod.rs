//! Name servers as children of a test: BIND, Knot, NSD, Unbound and `ilnp-dnsd`, from one
//! description each ([`Setup`]), with everything that they write in a temporary directory.
//!
//! Every server has a port of its own on the loopback address ([`fresh_address`]), so that tests run
//! beside each other, or runs in a network namespace of the test. It is ready when [`Software::start`] returns,
//! and stopped when the [`NameServer`] is dropped.

mod bind;
mod dnsd;
mod key;
mod knot;
mod nsd;
mod running;
pub mod tools;
mod unbound;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use experiments::topology::Namespace;

pub use key::Key;
pub use running::NameServer;

const FIRST_PORT: u16 = 10_000;
const LAST_PORT: u16 = 32_000;
/// Ports that a process takes first, and how many processes find some of their own.
const BLOCK: u16 = 32;
const BLOCKS: u32 = 680;

/// What is installed, or built here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// `named`: primary, secondary and resolver.
    Bind,
    /// `knotd`: primary and secondary.
    Knot,
    /// `nsd`: primary without updates, and secondary.
    Nsd,
    /// `unbound`: resolver.
    Unbound,
    /// `ilnp-dnsd`: primary.
    Dnsd,
}

/// What a server is to do.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// Where it listens, UDP and TCP.
    pub address: SocketAddr,
    /// Where it runs; `None`: where the test does.
    pub namespace: Option<&'a Namespace>,
    /// The keys that it knows.
    pub keys: Vec<Key>,
    /// Its zones.
    pub zones: Vec<Zone>,
    /// Where its temporary directory is made; `None`: where all are.
    pub within: Option<PathBuf>,
    /// The processor that all of its threads share; `None`: as the server does by itself.
    pub core: Option<usize>,
}

/// A zone, and what the server is for it.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its apex, without the dot at the end.
    pub name: String,
    /// What the server is for it.
    pub role: Role,
}

/// What a server is for a zone.
#[derive(Clone, Debug)]
pub enum Role {
    /// The source of it.
    Primary {
        /// The master file.
        text: String,
        /// Who may change what.
        grants: Vec<Grant>,
        /// Who is told of changes.
        notify: Vec<SocketAddr>,
        /// The key that transfers need; `None`: anybody may transfer, and nobody from `ilnp-dnsd`.
        transfer_key: Option<String>,
    },
    /// A copy, which may be transferred further by anybody.
    Secondary {
        /// Where it comes from.
        primary: SocketAddr,
        /// The key of the transfers.
        key: Option<String>,
    },
    /// A resolver that asks this server for names of the zone.
    Stub(SocketAddr),
}

/// A permission to change records.
#[derive(Clone, Debug)]
pub enum Grant {
    /// Every key: the records of these types whose owner has the name of the key.
    Own(Vec<&'static str>),
    /// One key: the records of these types at one name.
    Name {
        /// The key's name.
        key: String,
        /// The owner, without the dot at the end.
        name: String,
        /// The types.
        types: Vec<&'static str>,
    },
}

impl<'a> Setup<'a> {
    /// A server at an address of its own, which knows no key and no zone yet.
    pub fn new() -> Self {
        Self::at(fresh_address())
    }

    /// A server at this address.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            namespace: None,
            keys: vec![],
            zones: vec![],
            within: None,
            core: None,
        }
    }

    /// Runs in this namespace.
    #[must_use]
    pub fn inside(mut self, namespace: &'a Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// Keeps all threads on this processor.
    #[must_use]
    pub fn on_core(mut self, core: usize) -> Self {
        self.core = Some(core);
        self
    }

    /// Writes to a directory within this one.
    #[must_use]
    pub fn within(mut self, directory: &Path) -> Self {
        self.within = Some(directory.to_owned());
        self
    }

    /// Knows this key.
    #[must_use]
    pub fn key(mut self, key: &Key) -> Self {
        self.keys.push(key.clone());
        self
    }

    /// Has this zone.
    #[must_use]
    pub fn zone(mut self, name: &str, role: Role) -> Self {
        let name = name.to_owned();
        self.zones.push(Zone { name, role });
        self
    }
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Role {
    /// A primary that grants every key the ILNP records and the AAAA of the name that it is called
    /// by, tells nobody, and may be transferred by anybody.
    pub fn primary(text: &str) -> Self {
        Self::Primary {
            text: text.to_owned(),
            grants: vec![Grant::Own(vec!["NID", "L64", "LP", "AAAA"])],
            notify: vec![],
            transfer_key: None,
        }
    }
}

impl Software {
    /// Starts a server and waits until it answers, and as a primary answers for its zones.
    ///
    /// # Errors
    /// When it does not within half a minute, with the end of its log; and for a role that it does
    /// not have.
    pub fn start(self, setup: &Setup<'_>) -> anyhow::Result<NameServer> {
        NameServer::start(self, setup)
    }

    /// Writes the configuration into an empty directory, and returns the command without what is
    /// common to all.
    fn prepare(self, setup: &Setup<'_>, directory: &Path) -> anyhow::Result<Command> {
        match self {
            Self::Bind => bind::prepare(setup, directory),
            Self::Knot => knot::prepare(setup, directory),
            Self::Nsd => nsd::prepare(setup, directory),
            Self::Unbound => unbound::prepare(setup, directory),
            Self::Dnsd => dnsd::prepare(setup, directory),
        }
    }
}

/// A loopback address with a port that nobody else uses.
///
/// # Panics
/// When no port is left.
pub fn fresh_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Below those that the kernel gives out, and where other tests of this machine do not start.
    let process = u16::try_from(std::process::id() % BLOCKS).expect("few blocks");
    (0..BLOCKS * u32::from(BLOCK))
        .map(|_| {
            NEXT.fetch_add(1, Ordering::Relaxed)
                .wrapping_add(process * BLOCK)
        })
        .map(|number| FIRST_PORT + number % LAST_PORT.abs_diff(FIRST_PORT))
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|&address| TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok())
        .expect("a free port")
}
