//! Custody that outlasts the daemon.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ilnp_core::id::Nid;
use ilnp_service::durable;
use serde::{Deserialize, Serialize};

use super::{Custody, Evidence, Step};
use crate::identity::Fingerprint;
use crate::kernel::Generation;

const SCHEMA: u32 = 1;
const FILE_NAME: &str = "custody.json";

/// Why it is not known whether the identifier may be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The file cannot be read or written.
    #[error("cannot {action} {} (see state-dir in the configuration)", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file is there and is not what this program writes.
    #[error(
        "{} is damaged ({reason}): it tells whether this copy of the host may use its identifier. Restore it; or remove it, if no other copy runs",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Custody with the file that it is kept in.
#[derive(Debug)]
pub struct Guard {
    custody: Custody,
    path: PathBuf,
    /// How often it was put down to be written.
    versions: u64,
    /// The version in the file: a write that comes late replaces no newer one.
    written: Arc<Mutex<u64>>,
}

/// What was known at a moment, to be made durable by whoever has the time to wait for the disk.
#[derive(Debug)]
pub struct Unsaved {
    custody: Custody,
    path: PathBuf,
    version: u64,
    written: Arc<Mutex<u64>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    schema: u32,
    custody: Custody,
}

impl Guard {
    /// The custody of `nid` that is kept in `state_dir`, weighed against what the machine looks like
    /// now. What is kept of another identifier is of no use any more.
    ///
    /// # Errors
    /// [`GuardError`]; a damaged file is never replaced.
    pub fn open(
        state_dir: &Path,
        nid: Nid,
        machine: &Fingerprint,
        generation: Option<Generation>,
    ) -> Result<Self, GuardError> {
        let path = state_dir.join(FILE_NAME);
        let kept = read(&path)?.filter(|kept| kept.nid() == nid);
        let is_new = kept.is_none();
        let custody = kept.unwrap_or_else(|| Custody::new(nid, machine.clone(), generation));
        let mut guard = Self {
            custody,
            path,
            versions: 0,
            written: Arc::default(),
        };
        let seen = [
            Some(Evidence::Machine(machine.clone())),
            generation.map(Evidence::Generation),
        ];
        let mut changed = is_new;
        for evidence in seen.into_iter().flatten() {
            // What the machine looks like is never refused.
            changed |= guard.custody.weigh(evidence) != Ok(Step::Nothing);
        }
        if changed {
            let file_error = |source| GuardError::File {
                action: "create",
                path: state_dir.to_owned(),
                source,
            };
            fs::create_dir_all(state_dir).map_err(file_error)?;
            guard.save()?;
        }
        Ok(guard)
    }

    /// What is known.
    pub const fn custody(&self) -> &Custody {
        &self.custody
    }

    /// Takes over what was decided, before it is [saved](Self::save).
    pub fn set(&mut self, custody: Custody) {
        self.custody = custody;
    }

    /// Makes what is known outlast a crash.
    ///
    /// # Errors
    /// [`GuardError::File`]; what was kept before is still there then.
    pub fn save(&mut self) -> Result<(), GuardError> {
        self.unsaved().save()
    }

    /// What is known now, to be saved elsewhere.
    pub fn unsaved(&mut self) -> Unsaved {
        self.versions += 1;
        Unsaved {
            custody: self.custody.clone(),
            path: self.path.clone(),
            version: self.versions,
            written: self.written.clone(),
        }
    }
}

impl Unsaved {
    /// Makes it outlast a crash, unless something newer does already.
    ///
    /// # Errors
    /// [`GuardError::File`]; what was kept before is still there then.
    pub fn save(self) -> Result<(), GuardError> {
        // A write that panicked has not counted.
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written > self.version {
            return Ok(());
        }
        let stored = Stored {
            schema: SCHEMA,
            custody: self.custody,
        };
        let path = &self.path;
        serde_json::to_vec_pretty(&stored)
            .map_err(io::Error::from)
            .and_then(|mut text| {
                text.push(b'\n');
                durable::replace(path, &text, 0o644)
            })
            .map_err(|source| GuardError::File {
                action: "write",
                path: path.clone(),
                source,
            })?;
        *written = self.version;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<Custody>, GuardError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(GuardError::File {
                action: "read",
                path: path.to_owned(),
                source,
            });
        }
    };
    let damaged = |reason: String| GuardError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let stored: Stored =
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if stored.schema != SCHEMA {
        return Err(damaged(format!(
            "schema {}, expected {SCHEMA}",
            stored.schema
        )));
    }
    Ok(Some(stored.custody))
}

/// Forgets who had custody of what. That nothing is kept is no error.
///
/// # Errors
/// [`GuardError::File`].
pub fn forget(state_dir: &Path) -> Result<(), GuardError> {
    let path = state_dir.join(FILE_NAME);
    durable::remove(&path).map_err(|source| GuardError::File {
        action: "remove",
        path,
        source,
    })
}
