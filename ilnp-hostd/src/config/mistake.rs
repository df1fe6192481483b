//! What is wrong with a configuration, and where.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is far longer than any configuration.
    #[error("{}: longer than {limit} octets, which no configuration is", path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// The longest that is read.
        limit: u64,
    },
    /// The file has mistakes.
    #[error("{}", MistakeList { path, mistakes })]
    Mistakes {
        /// Which file.
        path: PathBuf,
        /// Each mistake, in the order of the file.
        mistakes: Vec<Mistake>,
    },
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
    pub(super) fn end_of(text: &str) -> Self {
        let last_line = text.rsplit('\n').next().unwrap_or_default();
        Self {
            line: text.matches('\n').count() + 1,
            column: last_line.chars().count() + 1,
        }
    }

    /// The place of the octet at `offset`.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        Self::end_of(text.get(..offset).unwrap_or(text))
    }
}

impl Mistake {
    /// A mistake that the TOML reader found: in the syntax, in a type or in a key.
    pub(super) fn from_toml(text: &str, error: &toml::de::Error) -> Self {
        Self {
            position: Position::of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().replace("unknown field", "unknown key"),
        }
    }
}

/// One line for each mistake, in the form that editors can jump to.
struct MistakeList<'a> {
    path: &'a PathBuf,
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
