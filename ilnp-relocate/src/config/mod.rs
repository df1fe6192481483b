//! The agent's configuration: a TOML file, checked as a whole before anything is done.
//!
//! `ilnp-relocate/agent.toml` documents every key with its default.

mod check;
mod check_guests;
mod file;
pub mod quantity;
#[cfg(test)]
mod tests;

use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ilnp_core::id::Locator;
use ilnp_core::relocation::Mac;
use serde::Deserialize as _;

pub use ilnp_service::mistake::{FileError as ConfigError, Mistake};

use crate::site::Site;
use crate::tls::Files;
use crate::{libvirt, qemu};

/// Where the agent looks for its configuration when it is not told.
pub const DEFAULT_PATH: &str = "/etc/ilnp/relocate.toml";
/// Where the agent's API is when nothing is said.
pub const DEFAULT_SOCKET: &str = "/run/ilnp-relocate/agent.sock";

/// A longer file is no configuration of ours.
const MAX_OCTETS: u64 = 1 << 20;

/// Everything that an operator can set, with the defaults filled in. All paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of this site.
    pub site: Site,
    /// Where other agents are listened for.
    pub listen: Vec<SocketAddr>,
    /// Where custody and reports are kept.
    pub state_dir: PathBuf,
    /// Where sockets of hypervisors and streams are.
    pub run_dir: PathBuf,
    /// The Unix socket of the API.
    pub control_socket: PathBuf,
    /// What this site proves itself with.
    pub tls: Files,
    /// What a guest finds at this site; none when it is told nothing in advance.
    pub network: Option<Network>,
    /// The other sites.
    pub peers: Vec<Peer>,
    /// The guests that may run here.
    pub guests: Vec<Guest>,
}

/// What a guest finds at this site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The prefixes of its link, best first.
    pub locators: Vec<Locator>,
    /// The link-local address of the site's router.
    pub router: Ipv6Addr,
    /// The router's MAC address: saves the guest a Neighbour Solicitation.
    pub router_mac: Option<Mac>,
}

/// Another site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub site: Site,
    /// Where its agent listens.
    pub address: SocketAddr,
}

/// A guest that may run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Its name, the same at every site.
    pub name: String,
    /// What it runs in.
    pub hypervisor: Hypervisor,
}

/// What a guest runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hypervisor {
    /// A QEMU of this agent's.
    Qemu(Box<qemu::Settings>),
    /// A libvirt daemon's domain.
    Libvirt(libvirt::Domain),
}

impl Config {
    /// Reads and checks the file at `path`. Paths in it are relative to its directory.
    ///
    /// # Errors
    /// [`ConfigError`], with every mistake that was found and where it stands.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let absolute = std::path::absolute(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let directory = absolute.parent().unwrap_or_else(|| Path::new("/"));
        ConfigError::load(path, MAX_OCTETS, |octets| Self::parse(octets, directory))
    }

    /// Reads and checks the octets of a configuration file in `directory`.
    ///
    /// # Errors
    /// Every mistake that was found, in the order of the file.
    pub fn parse(octets: &[u8], directory: &Path) -> Result<Self, Vec<Mistake>> {
        let text = Mistake::unless_text(octets).map_err(|mistake| vec![mistake])?;
        let file = toml::de::Deserializer::parse(text)
            .and_then(file::File::deserialize)
            .map_err(|error| vec![Mistake::in_toml(text, error.message(), error.span())])?;
        check::check(text, directory, &file)
    }

    /// The guest of this name.
    #[must_use]
    pub fn guest(&self, name: &str) -> Option<&Guest> {
        self.guests.iter().find(|guest| guest.name == name)
    }

    /// The other site of this name.
    #[must_use]
    pub fn peer(&self, site: &Site) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.site == *site)
    }

    /// The keys in which `other` differs, of those that are read once, when the agent starts.
    #[must_use]
    pub fn fixed_keys(&self, other: &Self) -> Vec<&'static str> {
        [
            ("site", self.site != other.site),
            ("listen", self.listen != other.listen),
            ("state-dir", self.state_dir != other.state_dir),
            ("run-dir", self.run_dir != other.run_dir),
            (
                "control-socket",
                self.control_socket != other.control_socket,
            ),
            ("[tls]", self.tls != other.tls),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }
}
