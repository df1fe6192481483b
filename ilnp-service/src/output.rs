//! Standard output: text or JSON, and no panic when nobody reads on.

use std::io::{self, Write as _};

use serde::Serialize;

/// Where a verb writes to.
#[derive(Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Standard output, as JSON or as text.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON is wanted.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Writes a document: as JSON, or as the text that `text` makes of it.
    pub fn document<T: Serialize>(
        &self,
        document: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            self.line(&serde_json::to_string(document)?)
        } else {
            self.line(text(document).trim_end())
        }
    }

    /// Writes a line at once.
    pub fn line(&self, line: &str) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        if !line.is_empty() {
            writeln!(stdout, "{line}")?;
        }
        stdout.flush()?;
        Ok(())
    }
}

/// Whether the reader of standard output went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Rows as columns that line up; the last column is not padded.
pub fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|title| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heading = heading.map(str::to_owned);
    std::iter::once(&heading)
        .chain(rows)
        .map(|row| {
            let cells: Vec<_> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            format!("{}\n", cells.join("  ").trim_end())
        })
        .collect()
}

/// Seconds as people say them.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            ["a".to_owned(), "long cell".to_owned(), "x".to_owned()],
            ["bcd".to_owned(), String::new(), "y".to_owned()],
        ];
        assert_eq!(
            table(["K", "VALUE", "Z"], &rows),
            "K    VALUE      Z\na    long cell  x\nbcd             y\n"
        );
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(3599), "59 min 59 s");
        assert_eq!(duration(90_000), "1 d 1 h");
    }
}
