//! The daemon's configuration: a TOML file, checked as a whole before anything is done.
//!
//! `ilnp-hostd/hostd.toml` documents every key with its default.

mod check;
mod check_correspondents;
mod check_names;
mod file;
mod names;

use std::path::{Path, PathBuf};

use ilnp_core::id::{HandlePrefix, Lifetime, Locator, Nid, Preference};
use ilnp_core::node::{RemoteLocator, Resolved};
use ilnp_core::wire::NonceLength;
use serde::Deserialize as _;

pub use ilnp_service::mistake::{FileError as ConfigError, Mistake};
pub use names::{Dns, Resolver};

/// Where the daemon looks for its configuration when it is not told.
pub const DEFAULT_PATH: &str = "/etc/ilnp/hostd.toml";

/// A longer file is no configuration of ours.
const MAX_OCTETS: u64 = 1 << 20;

/// Everything that an operator can set, with the defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This node's identifier; `None` when the daemon makes one and keeps it.
    pub nid: Option<Nid>,
    /// The interfaces whose Locators are used; `None` for every suitable one.
    pub interfaces: Option<Vec<String>>,
    /// The name of the interface that bears the handle.
    pub interface_name: String,
    /// The prefix that handles are made of.
    pub handle_prefix: HandlePrefix,
    /// Where the identity is kept.
    pub state_dir: PathBuf,
    /// The Unix socket of the API.
    pub control_socket: PathBuf,
    /// Where BPF programs and maps are pinned.
    pub pin_dir: PathBuf,
    /// The length of the Nonces that this node makes.
    pub nonce_length: NonceLength,
    /// Correspondents that are known without DNS.
    pub correspondents: Vec<Correspondent>,
    /// How this host publishes itself; `None` when it does not.
    pub dns: Option<Dns>,
    /// The port over which the agent of a hypervisor speaks to this host.
    pub relocation_port: PathBuf,
    /// How this host's applications look names up; `None` when they do that without this daemon.
    pub resolver: Option<Resolver>,
}

/// A correspondent that is known without DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correspondent {
    /// What people call it.
    pub name: String,
    /// Its identifier.
    pub nid: Nid,
    /// Its Locators, the most preferred first.
    pub locators: Vec<Locator>,
}

impl Correspondent {
    /// What a node is told of it: preferences 10, 20, and so on, for the longest lifetime that
    /// there is.
    pub fn resolved(&self) -> Resolved {
        let preferences = (1..).map(|rank: u16| Preference(rank.saturating_mul(10)));
        Resolved {
            name: Some(self.name.clone()),
            configured: true,
            nid: self.nid,
            locators: self
                .locators
                .iter()
                .zip(preferences)
                .map(|(&locator, preference)| RemoteLocator {
                    locator,
                    preference,
                    lifetime: Lifetime(u16::MAX),
                })
                .collect(),
        }
    }
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError`], with every mistake that was found and where it stands.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        ConfigError::load(path, MAX_OCTETS, Self::parse)
    }

    /// Reads and checks the octets of a configuration file.
    ///
    /// # Errors
    /// Every mistake that was found, in the order of the file.
    pub fn parse(octets: &[u8]) -> Result<Self, Vec<Mistake>> {
        let text = Mistake::unless_text(octets).map_err(|mistake| vec![mistake])?;
        let file = toml::de::Deserializer::parse(text)
            .and_then(file::File::deserialize)
            .map_err(|error| vec![Mistake::in_toml(text, error.message(), error.span())])?;
        check::check(text, file)
    }

    /// The keys, correspondents and `[dns]` left out, in which `other` differs from this configuration.
    pub fn differing_keys(&self, other: &Self) -> Vec<&'static str> {
        [
            ("nid", self.nid != other.nid),
            ("interfaces", self.interfaces != other.interfaces),
            (
                "interface-name",
                self.interface_name != other.interface_name,
            ),
            ("handle-prefix", self.handle_prefix != other.handle_prefix),
            ("state-dir", self.state_dir != other.state_dir),
            (
                "control-socket",
                self.control_socket != other.control_socket,
            ),
            ("pin-dir", self.pin_dir != other.pin_dir),
            ("nonce-bits", self.nonce_length != other.nonce_length),
            ("relocation", self.relocation_port != other.relocation_port),
            ("resolver", self.resolver != other.resolver),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }
}
