//! What was done to the host, written down before it is done, so that any later run can undo it.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::InstallError;
use ilnp_service::durable;

const SCHEMA: u32 = 1;
const FILE_NAME: &str = "resolver.json";

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "way")]
pub(super) enum Record {
    /// systemd-resolved was told to ask the stub resolver, as the server of an interface.
    Resolved { interface: String },
    /// resolvconf was given a record of ours.
    Resolvconf,
    /// `/etc/resolv.conf` was replaced.
    ResolvConf {
        /// Whom it names now.
        server: IpAddr,
        original: Original,
        /// The text that took its place.
        installed: Text,
    },
}

/// What was at `/etc/resolv.conf`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Original {
    Missing,
    Link(PathBuf),
    File { text: Text, mode: u32 },
}

/// Octets that are nearly always ASCII: stored as a string that people can read, one character for
/// an octet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(pub(super) Vec<u8>);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = self.0.iter().map(|&octet| char::from(octet)).collect();
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let octets: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        octets.map(Text).map_err(serde::de::Error::custom)
    }
}

#[derive(Serialize, Deserialize)]
struct File<R> {
    schema: u32,
    done: R,
}

/// Where the record is kept below the state directory.
pub(super) fn path_in(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE_NAME)
}

/// The record at `path`; `None` when nothing is done to this host.
pub(super) fn read(path: &Path) -> Result<Option<Record>, InstallError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(InstallError::file("read", path, source)),
    };
    let damaged = |reason: String| InstallError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let file: File<serde_json::Value> =
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if file.schema != SCHEMA {
        return Err(damaged(format!(
            "schema {}, expected {SCHEMA}",
            file.schema
        )));
    }
    serde_json::from_value(file.done)
        .map(Some)
        .map_err(|error| damaged(error.to_string()))
}

/// Writes the record; it outlasts a crash from here on.
pub(super) fn write(path: &Path, record: &Record) -> Result<(), InstallError> {
    let store = || -> io::Result<()> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut text = serde_json::to_vec_pretty(&File {
            schema: SCHEMA,
            done: record,
        })?;
        text.push(b'\n');
        durable::replace(path, &text, 0o644)
    };
    store().map_err(|source| InstallError::file("write", path, source))
}

/// Removes the record: nothing is done to this host any more.
pub(super) fn remove(path: &Path) -> Result<(), InstallError> {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(InstallError::file("remove", path, source)),
    }
    durable::flush_directory(path).map_err(|source| InstallError::file("remove", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> [Record; 3] {
        [
            Record::Resolved {
                interface: "ilnp0".to_owned(),
            },
            Record::Resolvconf,
            Record::ResolvConf {
                server: "::1".parse().unwrap(),
                original: Original::File {
                    text: Text(b"# \xe9t\xe9 \0\nnameserver 192.0.2.53\n".to_vec()),
                    mode: 0o640,
                },
                installed: Text((0..=255).collect()),
            },
        ]
    }

    #[test]
    fn every_octet_survives() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory.path().join("made"));
        assert_eq!(read(&path).unwrap(), None);
        for record in records() {
            write(&path, &record).unwrap();
            assert_eq!(read(&path).unwrap(), Some(record));
        }
        remove(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        remove(&path).unwrap();
    }

    #[test]
    fn a_damaged_record_is_named_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(directory.path());
        for text in [
            "",
            "{}",
            r#"{"schema":2,"done":{"way":"resolvconf"}}"#,
            r#"{"schema":1,"done":{"way":"nscd"}}"#,
            r#"{"schema":1,"done":{"way":"resolv-conf","server":"::1","original":"missing","installed":"\u1234"}}"#,
        ] {
            fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(error, InstallError::Damaged { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
