//! Who this node is: an identifier that is made once and kept, unless the machine is a clone.
//!
//! RFC 6741 §2.2 derives the identifier from a MAC address when a node has no other source. This
//! one has: random bits. A cloned image must get an identifier of its own, and a machine that moves
//! to another site must keep it although its network cards may be new there.
//!
//! What tells a clone from a move is the *fingerprint* that is stored with the identifier: hashes of
//! `/etc/machine-id` and of the SMBIOS product UUID. A live migration carries both along. A clone
//! gets a new UUID from its hypervisor, or a new machine-id when its image was sealed. MAC addresses
//! are left out, because a re-plugged card changes them in a move. A part that cannot be read, now
//! or then, says nothing: a daemon that loses the right to read the UUID keeps its identity.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ilnp_core::id::Nid;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use ilnp_service::durable;

const SCHEMA: u32 = 1;
const FILE_NAME: &str = "identity.json";

/// Why this node has no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The directory or the file cannot be read or written.
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
    #[error("{} is damaged ({reason}); restore it, or remove it to get a new identity", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel gives no random bits.
    #[error("the kernel gives no random bits")]
    NoRandomness,
}

/// How the identity was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was stored before.
    Kept,
    /// There was none; it was made and stored.
    Made,
    /// A stored one belongs to the machine that this one was cloned from; a new one was made.
    MadeForClone,
}

/// What tells this machine from its clones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// A hash of `/etc/machine-id`.
    pub machine_id: Option<String>,
    /// A hash of the SMBIOS product UUID.
    pub product_uuid: Option<String>,
}

impl Fingerprint {
    /// The fingerprint of the machine that this program runs on.
    pub fn of_this_machine() -> Self {
        Self {
            machine_id: hash_of(Path::new("/etc/machine-id")),
            product_uuid: hash_of(Path::new("/sys/class/dmi/id/product_uuid")),
        }
    }

    /// Whether a part that both know differs.
    pub fn contradicts(&self, other: &Self) -> bool {
        let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        differ(&self.machine_id, &other.machine_id)
            || differ(&self.product_uuid, &other.product_uuid)
    }
}

/// Hashed, because machine-id(5) asks that the value itself stays on the machine.
fn hash_of(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    if text.is_empty() || text == "uninitialized" {
        return None;
    }
    let salted = format!("ilnp-hostd identity {text}");
    let hash = digest(&SHA256, salted.as_bytes());
    Some(hash.as_ref().iter().map(|b| format!("{b:02x}")).collect())
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    schema: u32,
    nid: Nid,
    machine: Fingerprint,
}

/// The identifier that is kept in `state_dir`, made now when there is none or when it is another
/// machine's.
///
/// # Errors
/// [`IdentityError`]; a damaged file is never replaced.
pub fn load_or_make(
    state_dir: &Path,
    machine: &Fingerprint,
) -> Result<(Nid, Origin), IdentityError> {
    let path = state_dir.join(FILE_NAME);
    let origin = match read(&path)? {
        Some(stored) if !stored.machine.contradicts(machine) => {
            return Ok((stored.nid, Origin::Kept));
        }
        Some(_) => Origin::MadeForClone,
        None => Origin::Made,
    };
    let nid = random_nid()?;
    let stored = Stored {
        schema: SCHEMA,
        nid,
        machine: machine.clone(),
    };
    write(state_dir, &path, &stored)?;
    Ok((nid, origin))
}

/// Forgets the identifier that is kept: the next [`load_or_make`] makes a new one. That none is kept
/// is no error.
///
/// # Errors
/// [`IdentityError::File`].
pub fn forget(state_dir: &Path) -> Result<(), IdentityError> {
    let path = state_dir.join(FILE_NAME);
    durable::remove(&path).map_err(|error| file_error("remove", &path, error))
}

fn read(path: &Path) -> Result<Option<Stored>, IdentityError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(file_error("read", path, source)),
    };
    let damaged = |reason: String| IdentityError::Damaged {
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
    if let Some(reason) = stored.nid.unusable_reason() {
        return Err(damaged(format!("identifier {}: {reason}", stored.nid)));
    }
    Ok(Some(stored))
}

fn write(state_dir: &Path, path: &Path, stored: &Stored) -> Result<(), IdentityError> {
    fs::create_dir_all(state_dir).map_err(|error| file_error("create", state_dir, error))?;
    serde_json::to_vec_pretty(stored)
        .map_err(io::Error::from)
        .and_then(|mut text| {
            text.push(b'\n');
            durable::replace(path, &text, 0o644)
        })
        .map_err(|error| file_error("write", path, error))
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> IdentityError {
    IdentityError::File {
        action,
        path: path.to_owned(),
        source,
    }
}

/// A local-scope identifier of random bits that a node can use.
fn random_nid() -> Result<Nid, IdentityError> {
    loop {
        let mut octets = [0; 8];
        SystemRandom::new()
            .fill(&mut octets)
            .map_err(|_| IdentityError::NoRandomness)?;
        let nid = Nid::from_random(u64::from_be_bytes(octets));
        if nid.unusable_reason().is_none() {
            return Ok(nid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(id: Option<&str>, uuid: Option<&str>) -> Fingerprint {
        Fingerprint {
            machine_id: id.map(str::to_owned),
            product_uuid: uuid.map(str::to_owned),
        }
    }

    #[test]
    fn is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("not/yet/there");
        let here = machine(Some("a"), Some("u"));
        let (nid, origin) = load_or_make(&state_dir, &here).unwrap();
        assert_eq!(origin, Origin::Made);
        assert_eq!(nid.octets()[0] & 3, 0, "local and individual");
        assert_eq!(
            load_or_make(&state_dir, &here).unwrap(),
            (nid, Origin::Kept)
        );
        let files: Vec<_> = fs::read_dir(&state_dir).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
    }

    #[test]
    fn what_was_forgotten_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let here = machine(Some("a"), Some("u"));
        let (first, _) = load_or_make(dir.path(), &here).unwrap();
        forget(dir.path()).unwrap();
        forget(dir.path()).unwrap();
        let (second, origin) = load_or_make(dir.path(), &here).unwrap();
        assert_eq!(origin, Origin::Made);
        assert_ne!(first, second);
    }

    #[test]
    fn a_clone_makes_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (first, _) = load_or_make(dir.path(), &machine(Some("a"), Some("u"))).unwrap();
        let new_uuid = machine(Some("a"), Some("v"));
        let (second, origin) = load_or_make(dir.path(), &new_uuid).unwrap();
        assert_eq!(origin, Origin::MadeForClone);
        assert_ne!(first, second);
        let sealed = machine(Some("b"), Some("v"));
        let (third, origin) = load_or_make(dir.path(), &sealed).unwrap();
        assert_eq!(origin, Origin::MadeForClone);
        assert_ne!(second, third);
    }

    #[test]
    fn a_part_that_cannot_be_read_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (nid, _) = load_or_make(dir.path(), &machine(Some("a"), Some("u"))).unwrap();
        for less in [machine(Some("a"), None), machine(None, None)] {
            assert_eq!(
                load_or_make(dir.path(), &less).unwrap(),
                (nid, Origin::Kept)
            );
        }
    }

    #[test]
    fn a_damaged_file_is_named_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        for text in [
            "",
            "{}",
            "{\"schema\":2,\"nid\":\"2:1:1:1\",\"machine\":{\"machine_id\":null,\"product_uuid\":null}}",
            "{\"schema\":1,\"nid\":\"100:1:1:1\",\"machine\":{\"machine_id\":null,\"product_uuid\":null}}",
        ] {
            fs::write(&path, text).unwrap();
            let error = load_or_make(dir.path(), &Fingerprint::default()).unwrap_err();
            assert!(matches!(error, IdentityError::Damaged { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = load_or_make(&file, &Fingerprint::default()).unwrap_err();
        assert!(error.to_string().contains("state-dir"), "{error}");
    }
}
