//! Why the stub resolver could not be put in front of this host's applications, or not taken away.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Why the host's resolver is not as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The record of what was done is not what this program writes.
    #[error("{} is damaged ({reason}): make /etc/resolv.conf what it should be by hand, and remove this file", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The stub resolver listens where a `resolv.conf` cannot point to.
    #[error(
        "{way} can only name a server at port 53, and `listen` in [resolver] has none: add \"[::1]:53\", or set install = \"no\""
    )]
    NoPort53 {
        /// What would have to name it.
        way: &'static str,
    },
    /// systemd-resolved is the one to be told, and does not answer.
    #[error(
        "systemd-resolved is to send the names of this host to the stub resolver, and `resolvectl` gets no answer from it: start it, or set install = \"resolv.conf\""
    )]
    NoResolved,
    /// `/etc/resolv.conf` was written by a run that this one knows nothing of.
    #[error(
        "/etc/resolv.conf was written by another ilnp-hostd, or on another machine: run that one's `ilnp-hostd --cleanup`, or write the file anew"
    )]
    Another,
    /// A program failed.
    #[error("`{command}` {ended}: {said}")]
    Program {
        /// What was run.
        command: String,
        /// How it ended.
        ended: String,
        /// The last that it said.
        said: String,
    },
    /// Everything was done, and programs ask somebody else nevertheless.
    #[error(
        "{way} was told to ask {server}, but it has {found:?}: look for name servers that are configured elsewhere (resolvconf: /etc/resolvconf/resolv.conf.d/head)"
    )]
    NoEffect {
        /// What was told.
        way: &'static str,
        /// Whom it should ask.
        server: IpAddr,
        /// Whom it asks.
        found: Vec<String>,
    },
    /// Something else writes the file as often as this program does.
    #[error(
        "something else rewrites /etc/resolv.conf again and again: it is left alone for now; find out what does, or set install = \"no\""
    )]
    Contested,
}

impl InstallError {
    pub(super) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
