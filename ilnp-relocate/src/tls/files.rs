//! The four files of a site.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::TlsError;

/// No such file is larger, unless it is another.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The files by which a site proves who it is, as [`pki`](crate::pki) makes them, all in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Files {
    /// The certificate of the authority; several while one follows another.
    pub ca: PathBuf,
    /// The site's own certificate.
    pub certificate: PathBuf,
    /// Its key, readable by its owner alone.
    pub key: PathBuf,
    /// The revocation list; one for each authority.
    pub revoked: PathBuf,
}

/// What the files hold.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) ca: Vec<u8>,
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) revoked: Vec<u8>,
}

impl Files {
    pub(super) fn read(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            ca: read(&self.ca, false)?,
            certificate: read(&self.certificate, false)?,
            key: read(&self.key, true)?,
            revoked: read(&self.revoked, false)?,
        })
    }
}

fn read(path: &Path, secret: bool) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if secret && mode & 0o077 != 0 {
        return Err(TlsError::Exposed(path.to_owned()));
    }
    let mut contents = Vec::new();
    file.take(LARGEST)
        .read_to_end(&mut contents)
        .map_err(failed)?;
    Ok(contents)
}
