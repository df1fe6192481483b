//! The server's configuration: a TOML file, checked as a whole before anything is done.
//!
//! `ilnp-dns/dnsd.toml` documents every key with its default.

mod check;
mod file;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize as _;

use crate::key::TsigKey;
use crate::name::Name;
use crate::zone::Grant;
use ilnp_service::mistake::{FileError, Mistake};

/// Where the server looks for its configuration when it is not told.
pub const DEFAULT_PATH: &str = "/etc/ilnp/dnsd.toml";

/// A longer file is no configuration of ours.
const MAX_OCTETS: u64 = 1 << 20;

/// Everything that an operator can set, with the defaults filled in.
#[derive(Debug)]
pub struct Config {
    /// Where queries, updates and transfers are answered, by UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// Where the zones are kept.
    pub state_dir: PathBuf,
    /// The TSIG keys.
    pub keys: Vec<Arc<TsigKey>>,
    /// Whether answers to AAAA queries carry NID, L64, L32 and LP records as additional data.
    pub aaaa_additional: bool,
    /// The zones that are served.
    pub zones: Vec<ZoneConfig>,
}

/// A zone that is served.
#[derive(Clone, Debug)]
pub struct ZoneConfig {
    /// Its origin.
    pub name: Name,
    /// The master file that it begins with.
    pub file: PathBuf,
    /// The secondary servers that are told of changes (RFC 1996).
    pub notify: Vec<SocketAddr>,
    /// The key that may transfer it; without one nobody may. It signs the NOTIFY messages too.
    pub transfer_key: Option<Name>,
    /// Who may change what.
    pub grants: Vec<Grant>,
}

impl Config {
    /// Reads and checks the file at `path` and the keys that it names. Paths in it are relative to
    /// its directory.
    ///
    /// # Errors
    /// [`FileError`], with every mistake that was found and where it stands.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        FileError::load(path, MAX_OCTETS, |octets| {
            Self::parse(octets, directory, TsigKey::read)
        })
    }

    /// Checks the octets of a configuration file that lies in `directory`.
    ///
    /// # Errors
    /// Every mistake that was found, in the order of the file.
    pub fn parse(
        octets: &[u8],
        directory: &Path,
        read_key: impl Fn(&Path) -> Result<TsigKey, FileError>,
    ) -> Result<Self, Vec<Mistake>> {
        let text = Mistake::unless_text(octets).map_err(|mistake| vec![mistake])?;
        let file = toml::de::Deserializer::parse(text)
            .and_then(file::File::deserialize)
            .map_err(|error| vec![Mistake::in_toml(text, error.message(), error.span())])?;
        check::check(text, directory, &file, read_key)
    }
}
