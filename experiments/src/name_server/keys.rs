//! The keys that sign updates and transfers (TSIG), as files of BIND's tsig-keygen.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Doing, LabError};
use crate::process;

/// The name of the key that zone transfers and notifications are signed with.
pub(super) const TRANSFER: &str = "xfer-key";

/// The keys of a run: one for each host that publishes itself, named as the host is in the DNS, and
/// one for transfers.
#[derive(Debug)]
pub(crate) struct Keys {
    directory: PathBuf,
    names: Vec<String>,
}

impl Keys {
    /// Makes a key for each of the names, and the one for transfers, below a folder.
    pub(super) fn make(folder: &Path, hosts: Vec<String>) -> Result<Self, LabError> {
        let directory = folder.join("keys");
        let private = Permissions::from_mode(0o700);
        std::fs::create_dir_all(&directory)
            .and_then(|()| std::fs::set_permissions(&directory, private))
            .doing(|| format!("make {}", directory.display()))?;
        let keys = Self {
            directory,
            names: [hosts, vec![TRANSFER.to_owned()]].concat(),
        };
        for name in &keys.names {
            let mut command = Command::new("tsig-keygen");
            let key = process::run(command.args(["-a", "hmac-sha256", name]), "")?;
            let file = keys.file(name);
            std::fs::write(&file, key.stdout).doing(|| format!("write {}", file.display()))?;
        }
        Ok(keys)
    }

    /// The file of a key.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.key"))
    }

    /// Every file.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.names.iter().map(|name| self.file(name))
    }
}
