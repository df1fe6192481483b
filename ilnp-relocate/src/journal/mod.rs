//! Custody made durable: one file a guest, which a crash leaves old or new and never in between.
//!
//! A file is a line of JSON and a line with its SHA-256 digest. One that is damaged is an error that
//! names it: nobody but an operator can say then where the guest runs.

#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ilnp_core::relocation::Instance;
use ilnp_service::durable;
use nix::fcntl::{Flock, FlockArg};
use ring::digest;
use serde::{Deserialize, Serialize};

use crate::custody::Record;
use crate::hex::hex;

/// The form of the files.
const SCHEMA: u32 = 1;
/// No entry is longer.
const MAX_OCTETS: u64 = 4096;
/// What a program may take from its fork to its exec on a busy machine.
const STARTING: Duration = Duration::from_secs(2);
/// How often a lock is tried meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// What is kept about a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Entry {
    schema: u32,
    /// The guest's name.
    pub guest: String,
    /// Which run of the guest it is; none before its first start.
    pub instance: Option<Instance>,
    /// Its custody.
    pub record: Record,
}

impl Entry {
    /// An entry to be written.
    #[must_use]
    pub fn new(guest: &str, instance: Option<Instance>, record: Record) -> Self {
        Self {
            schema: SCHEMA,
            guest: guest.to_owned(),
            instance,
            record,
        }
    }
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another agent writes it.
    #[error(
        "another agent uses {}: stop it, or give this one its own state-dir",
        .0.display()
    )]
    InUse(PathBuf),
    /// The file system refuses.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error(
        "{} is damaged ({reason}): it says where the guest may run, and nothing else does. Make \
         sure at which site the guest is, then remove the file here and at the others, and start \
         the guest at that site",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How that is seen.
        reason: String,
    },
}

/// Locks a file. An agent that was killed while it started a program has left its lock to that, until
/// it has become the program.
fn lock(mut file: File) -> nix::Result<Flock<File>> {
    let deadline = Instant::now() + STARTING;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((locked, nix::Error::EWOULDBLOCK)) if Instant::now() < deadline => file = locked,
            Err((_, errno)) => return Err(errno),
        }
        sleep(LOOK);
    }
}

/// The files of all guests of a site.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    /// Keeps other agents out for as long as this one lives.
    _lock: Flock<File>,
}

impl Journal {
    /// The journal in `state_dir`, which is made if it is not there.
    ///
    /// # Errors
    /// When another agent uses it, or it cannot be made.
    pub fn open(state_dir: &Path) -> Result<Self, JournalError> {
        let directory = state_dir.join("guests");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|error| file_error("create", &directory, error))?;
        let path = state_dir.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| file_error("open", &path, error))?;
        let lock = lock(file).map_err(|errno| match errno {
            nix::Error::EWOULDBLOCK => JournalError::InUse(state_dir.to_owned()),
            errno => file_error("lock", &path, errno.into()),
        })?;
        Ok(Self {
            directory,
            _lock: lock,
        })
    }

    /// What is kept about a guest; `None` when nothing is.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn read(&self, guest: &str) -> Result<Option<Entry>, JournalError> {
        let path = self.path(guest);
        let mut octets = Vec::new();
        let read =
            File::open(&path).and_then(|file| file.take(MAX_OCTETS + 1).read_to_end(&mut octets));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file_error("read", &path, error)),
            Ok(_) => {}
        }
        let entry = parse(&octets).and_then(|entry| match entry.guest == guest {
            true => Ok(entry),
            false => Err(format!("it is about the guest {:?}", entry.guest)),
        });
        entry
            .map(Some)
            .map_err(|reason| JournalError::Damaged { path, reason })
    }

    /// Makes an entry durable in the place of the one before.
    ///
    /// # Errors
    /// Those of the file system. The entry is the old one or the new one then: which of them is not
    /// known before another write succeeds.
    pub fn write(&self, entry: &Entry) -> Result<(), JournalError> {
        let path = self.path(&entry.guest);
        let octets = octets(entry).map_err(|error| file_error("write", &path, error))?;
        durable::replace(&path, &octets, 0o600).map_err(|error| file_error("write", &path, error))
    }

    fn path(&self, guest: &str) -> PathBuf {
        self.directory.join(format!("{guest}.json"))
    }
}

fn octets(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut octets = serde_json::to_vec(entry)?;
    octets.push(b'\n');
    let digest = hexadecimal(&octets);
    octets.extend(digest.as_bytes());
    octets.push(b'\n');
    Ok(octets)
}

fn parse(octets: &[u8]) -> Result<Entry, String> {
    let end = octets.iter().position(|&octet| octet == b'\n');
    let (line, digest) = end
        .and_then(|end| octets.split_at_checked(end + 1))
        .ok_or("it has no end of line")?;
    if digest != format!("{}\n", hexadecimal(line)).as_bytes() {
        return Err("its digest does not fit".to_owned());
    }
    let entry: Entry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if entry.schema != SCHEMA {
        return Err(format!(
            "it has schema {}, and this program knows {SCHEMA}",
            entry.schema
        ));
    }
    Ok(entry)
}

fn hexadecimal(octets: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, octets).as_ref())
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::File {
        action,
        path: path.to_owned(),
        source,
    }
}
