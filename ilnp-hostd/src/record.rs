//! A recording of everything that a node was told: JSON, one line an input.
//!
//! It holds the seed and all Nonces: only its owner may read it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ilnp_core::node::{Config, Input, Restored};
use ilnp_core::time::Instant;
use serde::{Deserialize, Serialize};

/// The number in the first line.
const SCHEMA: u32 = 1;

/// A line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// The first line: what the node was made with.
    Start {
        /// The number of this format: 1.
        schema: u32,
        /// The node's configuration.
        config: Box<Config>,
        /// The node's randomness.
        seed: [u8; 32],
    },
    /// A correspondent that the data path kept.
    Restored {
        /// When.
        now: Instant,
        /// Which.
        restored: Box<Restored>,
    },
    /// Anything else that the node was told.
    Input {
        /// When.
        now: Instant,
        /// What.
        input: Box<Input>,
    },
}

/// Why a recording cannot be played back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line is not what a recorder writes.
    #[error("line {number} is not what a recorder writes")]
    Line {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The first line does not say what the node was made with.
    #[error("line 1: this is no recording of schema {SCHEMA}")]
    NoStart,
}

/// Writes a recording.
#[derive(Debug)]
pub struct Recorder {
    file: BufWriter<File>,
}

impl Recorder {
    /// Starts a recording in a new file.
    ///
    /// # Errors
    /// When the file cannot be made, or is there already.
    pub fn create(path: &Path, config: &Config, seed: [u8; 32]) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut recorder = Self {
            file: BufWriter::new(file),
        };
        recorder.line(&Line::Start {
            schema: SCHEMA,
            config: Box::new(config.clone()),
            seed,
        })?;
        recorder.flush()?;
        Ok(recorder)
    }

    /// Records an input.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn input(&mut self, now: Instant, input: &Input) -> io::Result<()> {
        let input = Box::new(input.clone());
        self.line(&Line::Input { now, input })
    }

    /// Records a correspondent that the data path kept.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn restored(&mut self, now: Instant, restored: &Restored) -> io::Result<()> {
        let restored = Box::new(restored.clone());
        self.line(&Line::Restored { now, restored })
    }

    /// Writes out what was recorded so far.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.file, line)?;
        self.file.write_all(b"\n")
    }
}

/// Reads a recording: what the node was made with, and everything that it was told.
///
/// # Errors
/// [`ReadError`] for the first line already; the iterator gives those of later lines.
#[expect(clippy::type_complexity, reason = "named nowhere else")]
pub fn read(
    reader: impl BufRead,
) -> Result<
    (
        Config,
        [u8; 32],
        impl Iterator<Item = Result<Line, ReadError>>,
    ),
    ReadError,
> {
    let mut lines = (1..).zip(reader.lines()).map(|(number, line)| {
        serde_json::from_str(&line?).map_err(|source| ReadError::Line { number, source })
    });
    match lines.next() {
        Some(Ok(Line::Start {
            schema: SCHEMA,
            config,
            seed,
        })) => Ok((*config, seed, lines)),
        Some(Err(error)) => Err(error),
        _ => Err(ReadError::NoStart),
    }
}
