//! What an operator can set about names.

use std::net::SocketAddr;
use std::path::PathBuf;

use ilnp_dns::name::Name;
use ilnp_dns::stub::Ipv4;

use crate::names::install::Install;

/// `[dns]`: how this host publishes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// This host's name.
    pub name: Name,
    /// The zone that has the name; `None` when the primaries are asked.
    pub zone: Option<Name>,
    /// The servers that take updates.
    pub primaries: Vec<SocketAddr>,
    /// Where the key is that signs the updates.
    pub key_file: PathBuf,
    /// The TTL of L64 and AAAA records in seconds.
    pub ttl: u32,
    /// The TTL of NID and LP records in seconds.
    pub nid_ttl: u32,
    /// Names at which the host's site publishes its Locators, best first.
    pub lp: Vec<Name>,
}

/// `[resolver]`: how this host's applications look names up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// Where the stub resolver listens.
    pub listen: Vec<SocketAddr>,
    /// Which servers it asks; `None` for those that the host asked before.
    pub upstreams: Option<Vec<SocketAddr>>,
    /// How it is put in front of the applications.
    pub install: Install,
    /// What becomes of the A records of ILNP names.
    pub ipv4: Ipv4,
}
