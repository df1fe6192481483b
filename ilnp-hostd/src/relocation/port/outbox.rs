//! What waits to be written.

use std::collections::VecDeque;
use std::io;

use super::device::Device;

/// Lines that wait until somebody reads them.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lines: VecDeque<Vec<u8>>,
    /// How much of the first line was written.
    written: usize,
}

impl Outbox {
    /// How many lines wait.
    const MOST: usize = 64;

    /// Adds a line. When too many wait the oldest goes that was not begun.
    pub(super) fn push(&mut self, line: Vec<u8>) {
        if self.lines.len() >= Self::MOST {
            self.lines.remove(usize::from(self.written > 0));
        }
        self.lines.push_back(line);
    }

    /// Writes as much as the device takes.
    pub(super) fn write_to(&mut self, device: &Device) -> io::Result<()> {
        while let Some(line) = self.lines.front() {
            let rest = line.get(self.written..).unwrap_or_default();
            match device.write(rest)? {
                Some(count) if count < rest.len() => self.written += count,
                Some(_) => {
                    self.lines.pop_front();
                    self.written = 0;
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Begins the first line again: whoever read its beginning is gone.
    pub(super) const fn begin_again(&mut self) {
        self.written = 0;
    }
}
