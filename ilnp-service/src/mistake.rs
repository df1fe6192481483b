//! Files that people write (configurations, keys, zones): reading them, and what is wrong where.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is far longer than any file of its kind.
    #[error("{}: longer than {limit} octets, which no file of this kind is", path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// The longest that is read.
        limit: u64,
    },
    /// It has mistakes.
    #[error("{}", MistakeList { path, mistakes })]
    Mistakes {
        /// Which file.
        path: PathBuf,
        /// Each mistake, in the order of the file.
        mistakes: Vec<Mistake>,
    },
}

impl FileError {
    /// Reads the file at `path` and gives its octets to `parse`.
    ///
    /// # Errors
    /// [`FileError`]: unreadable, longer than `limit` octets, or what `parse` finds.
    pub fn load<T>(
        path: &Path,
        limit: u64,
        parse: impl FnOnce(&[u8]) -> Result<T, Vec<Mistake>>,
    ) -> Result<T, Self> {
        // Some of these files are keys: nothing of them stays in memory.
        let mut octets = Zeroizing::new(Vec::new());
        let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut octets));
        read.map_err(|source| Self::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        if octets.len() as u64 > limit {
            return Err(Self::TooLong {
                path: path.to_owned(),
                limit,
            });
        }
        parse(&octets).map_err(|mistakes| Self::Mistakes {
            path: path.to_owned(),
            mistakes,
        })
    }
}

/// One mistake: what was found, what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub position: Position,
    /// What was found and what was expected.
    pub message: String,
}

/// A place in a text, counted from 1 as editors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character within the line.
    pub column: usize,
}

impl Position {
    /// The place that follows `text`.
    pub fn end_of(text: &str) -> Self {
        let last_line = text.rsplit('\n').next().unwrap_or_default();
        Self {
            line: text.matches('\n').count() + 1,
            column: last_line.chars().count() + 1,
        }
    }

    /// The place of the octet at `offset`.
    pub fn of(text: &str, offset: usize) -> Self {
        Self::end_of(text.get(..offset).unwrap_or(text))
    }
}

impl Mistake {
    /// The octets as text.
    ///
    /// # Errors
    /// The first octet that is not UTF-8.
    pub fn unless_text(octets: &[u8]) -> Result<&str, Self> {
        str::from_utf8(octets).map_err(|error| {
            let valid = octets.get(..error.valid_up_to()).unwrap_or_default();
            Self {
                position: Position::end_of(&String::from_utf8_lossy(valid)),
                message: "found an octet that is not UTF-8, expected text".to_owned(),
            }
        })
    }

    /// A mistake that a TOML reader found: in the syntax, in a type or in a key.
    pub fn in_toml(text: &str, message: &str, span: Option<Range<usize>>) -> Self {
        Self {
            position: Position::of(text, span.map_or(0, |span| span.start)),
            message: message.replace("unknown field", "unknown key"),
        }
    }
}

/// One line for each mistake, in the form that editors can jump to.
struct MistakeList<'a> {
    path: &'a Path,
    mistakes: &'a [Mistake],
}

impl fmt::Display for MistakeList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let Position { line, column } = mistake.position;
            write!(
                f,
                "{}:{line}:{column}: {}",
                self.path.display(),
                mistake.message
            )?;
        }
        Ok(())
    }
}
