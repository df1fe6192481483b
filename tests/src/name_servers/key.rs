//! TSIG keys in the form that every program here reads.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::session;

/// A key as `tsig-keygen` makes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name, without a dot at the end.
    pub name: String,
    /// `hmac-sha256`, `hmac-sha384` or `hmac-sha512`.
    pub algorithm: String,
    /// The secret in Base64.
    pub secret: String,
}

impl Key {
    /// A new key for HMAC-SHA256.
    ///
    /// # Errors
    /// When `tsig-keygen` does not run.
    pub fn generate(name: &str) -> anyhow::Result<Self> {
        Self::with_algorithm(name, "hmac-sha256")
    }

    /// A new key for this algorithm.
    ///
    /// # Errors
    /// When `tsig-keygen` does not run, or does not know the algorithm.
    pub fn with_algorithm(name: &str, algorithm: &str) -> anyhow::Result<Self> {
        let mut command = Command::new("tsig-keygen");
        let text = session::output(command.args(["-a", algorithm, name]))?;
        let secret = text
            .split('"')
            .nth(3)
            .context("tsig-keygen told no secret")?;
        Ok(Self {
            name: name.to_owned(),
            algorithm: algorithm.to_owned(),
            secret: secret.to_owned(),
        })
    }

    /// What `tsig-keygen` prints.
    pub fn text(&self) -> String {
        format!(
            "key \"{}\" {{\n\talgorithm {};\n\tsecret \"{}\";\n}};\n",
            self.name, self.algorithm, self.secret
        )
    }

    /// Writes `NAME.key` for `nsupdate -k` and the like.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, directory: &Path) -> anyhow::Result<PathBuf> {
        let path = directory.join(format!("{}.key", self.name));
        fs::write(&path, self.text()).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.algorithm)
    }
}
