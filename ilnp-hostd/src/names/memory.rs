//! The names of sessions, kept for the daemon that takes these over.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ilnp_core::id::Handle;
use ilnp_core::node::Restored;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::driver::Request;
use ilnp_service::durable;

const FILE_NAME: &str = "session-names.json";
/// The number in the file.
const SCHEMA: u32 = 1;
/// How often it is seen to that the file is right.
const EVERY: Duration = Duration::from_secs(5);

/// The names of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionNames {
    /// Whose.
    pub handle: Handle,
    /// First the one that it was first known by.
    pub names: Vec<String>,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    schema: u32,
    sessions: Vec<SessionNames>,
}

/// Gives sessions that are taken over the names that they had. A file that cannot be read costs the
/// names, and is told.
pub fn recall(state_dir: &Path, restored: &mut [Restored]) {
    let path = state_dir.join(FILE_NAME);
    let sessions = match read(&path) {
        Ok(sessions) => sessions,
        Err(error) => {
            tracing::warn!(%error, file = %path.display(), "sessions lose their names");
            return;
        }
    };
    let sessions = sessions.into_iter().map(|one| (one.handle, one.names));
    let mut sessions: HashMap<_, _> = sessions.collect();
    for one in restored {
        one.names = sessions.remove(&one.handle).unwrap_or_default();
    }
}

fn read(path: &Path) -> io::Result<Vec<SessionNames>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let stored: Stored = serde_json::from_slice(&text)?;
    match stored.schema {
        SCHEMA => Ok(stored.sessions),
        other => Err(io::Error::other(format!("schema {other} is not known"))),
    }
}

fn write(path: &Path, sessions: Vec<SessionNames>) -> io::Result<()> {
    let stored = Stored {
        schema: SCHEMA,
        sessions,
    };
    durable::replace(path, &serde_json::to_vec(&stored)?, 0o600)
}

/// Keeps the file right.
pub(super) async fn keep(state_dir: PathBuf, requests: mpsc::Sender<Request>) {
    let path = state_dir.join(FILE_NAME);
    let mut kept = None;
    let mut told = false;
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let (answer, answered) = oneshot::channel();
        if requests.send(Request::SessionNames(answer)).await.is_err() {
            return;
        }
        let Ok(sessions) = answered.await else {
            return;
        };
        if kept.as_ref() == Some(&sessions) {
            continue;
        }
        let (to, next) = (path.clone(), sessions.clone());
        match spawn_blocking(move || write(&to, next)).await {
            Ok(Ok(())) => kept = Some(sessions),
            Ok(Err(error)) if !std::mem::replace(&mut told, true) => {
                tracing::warn!(%error, file = %path.display(), "cannot keep the names of sessions");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use ilnp_core::id::Locator;
    use ilnp_core::node::{Activity, PathEntry, SlotIndex};
    use ilnp_core::time::Instant;
    use ilnp_core::wire::Nonce;

    use super::*;

    fn restored(nid: &str) -> Restored {
        let nonce = Nonce::from_slice(&[1; 12]).unwrap();
        Restored {
            handle: Handle::new(nid.parse().unwrap()),
            entry: PathEntry {
                slot: SlotIndex::PREFERRED,
                destination: Locator::from_bits(0x2001_0db8_000a_0000),
                nonce_out: nonce,
                nonce_in: nonce,
                locators: Vec::new(),
            },
            activity: Activity {
                sent: Instant::ZERO,
                heard: Instant::ZERO,
            },
            names: Vec::new(),
        }
    }

    #[test]
    fn sessions_get_their_names_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut sessions = [restored("2:1:1:1"), restored("2:1:1:2")];
        recall(directory.path(), &mut sessions);
        assert!(sessions.iter().all(|one| one.names.is_empty()));
        let names = SessionNames {
            handle: sessions[1].handle,
            names: vec!["cn.example".to_owned()],
        };
        write(&directory.path().join(FILE_NAME), vec![names]).unwrap();
        recall(directory.path(), &mut sessions);
        assert!(sessions[0].names.is_empty());
        assert_eq!(sessions[1].names, ["cn.example"]);
    }

    #[test]
    fn a_file_of_somebody_else_is_no_reason_to_stop() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["", "[]", "{\"schema\":9,\"sessions\":[]}"] {
            fs::write(directory.path().join(FILE_NAME), text).unwrap();
            let mut sessions = [restored("2:1:1:1")];
            recall(directory.path(), &mut sessions);
            assert!(sessions[0].names.is_empty());
        }
    }
}
