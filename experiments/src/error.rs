//! What can go wrong in the lab.

use std::io;
use std::path::PathBuf;

/// A failure of the lab itself; what happens to sessions is a result and no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// Not root.
    #[error("the lab makes network namespaces and needs root: run it with sudo")]
    NotRoot,
    /// A program is missing.
    #[error("{program} is not installed: apt-get install {package}")]
    Missing {
        /// The program.
        program: String,
        /// The Debian package that has it.
        package: String,
    },
    /// A program of ours is missing.
    #[error("{} is not there: build it (cargo build --workspace --bins) or name its folder with --bin-dir", .0.display())]
    NotBuilt(PathBuf),
    /// A program failed.
    #[error("`{command}` failed ({status}): {output}")]
    Failed {
        /// What was run.
        command: String,
        /// How it ended.
        status: String,
        /// What it said.
        output: String,
    },
    /// A system call or file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s; {hint}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// Where to look.
        hint: String,
    },
    /// The caller named a host or site that the scenario does not have, or asks for what cannot
    /// be.
    #[error("{0}")]
    Misuse(String),
    /// The user stopped the run.
    #[error("interrupted")]
    Interrupted,
}

/// Adds what was tried to an I/O error.
pub(crate) trait Doing<T> {
    /// `what` completes "cannot ...: reason".
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, LabError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, LabError> {
        self.map_err(|source| LabError::Io {
            what: format!("cannot {}", what()),
            source: source.into(),
        })
    }
}
