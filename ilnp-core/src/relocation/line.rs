//! Lines on a port that has no beginning and no end.

use serde::Serialize;

/// Puts octets together to lines, whatever they are cut into.
///
/// What it holds is bounded by [`LONGEST`](Self::LONGEST). The rest of a line that is longer is
/// thrown away.
#[derive(Debug, Default)]
pub struct Lines {
    pub(super) begun: Vec<u8>,
    overlong: bool,
}

/// A line that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Its octets without the end of the line; never empty.
    Whole(Vec<u8>),
    /// It was too long and is not kept.
    TooLong,
}

/// A line that is not written.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It cannot be said in JSON.
    #[error("cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It would be thrown away at the other end.
    #[error(
        "a line of {length} octets is too long, at most {} are read",
        Lines::LONGEST
    )]
    TooLong {
        /// Its length, its end left out.
        length: usize,
    },
}

impl Lines {
    /// The longest line in octets, its end left out.
    pub const LONGEST: usize = 4096;

    /// Takes octets, and gives the lines that they complete. Empty lines are left out.
    pub fn push(&mut self, octets: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut parts = octets.split(|octet| *octet == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.extend(part);
            if parts.peek().is_some() {
                lines.extend(self.finish());
            }
        }
        lines
    }

    /// Forgets the line that has begun: the rest of it will never come.
    pub fn cut(&mut self) {
        *self = Self::default();
    }

    fn extend(&mut self, part: &[u8]) {
        if self.begun.len() + part.len() > Self::LONGEST {
            self.overlong = true;
            self.begun = Vec::new();
        }
        if !self.overlong {
            self.begun.extend_from_slice(part);
        }
    }

    fn finish(&mut self) -> Option<Line> {
        let Self { begun, overlong } = core::mem::take(self);
        if overlong {
            return Some(Line::TooLong);
        }
        (!begun.is_empty()).then_some(Line::Whole(begun))
    }
}

/// Writes a line, with an empty one in front: whatever was cut off before ends there.
///
/// # Errors
/// [`LineError`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, LineError> {
    let text = serde_json::to_vec(message)?;
    if text.len() > Lines::LONGEST {
        return Err(LineError::TooLong { length: text.len() });
    }
    Ok([b"\n", text.as_slice(), b"\n"].concat())
}
