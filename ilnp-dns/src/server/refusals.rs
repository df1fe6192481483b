//! Refusals are logged, but nobody can fill the log with them.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::answer::Peer;
use crate::exchange::unix_now;

/// How many lines a second.
const LINES: u32 = 10;

static LIMIT: LogLimit = LogLimit::new();

/// Logs who was refused what and why, unless there was much of it in this second.
pub(super) fn log(peer: Peer, what: fmt::Arguments<'_>) {
    if let Some(unlogged) = LIMIT.admit(unix_now()) {
        tracing::info!(peer = %peer.address, unlogged, "refused {what}");
    }
}

/// Counts the lines of a second.
#[derive(Debug)]
struct LogLimit {
    second: AtomicU64,
    lines: AtomicU32,
}

impl LogLimit {
    const fn new() -> Self {
        Self {
            second: AtomicU64::new(0),
            lines: AtomicU32::new(0),
        }
    }

    /// Whether to log now; with how many lines were left out in the second of the lines before.
    fn admit(&self, now: u64) -> Option<u32> {
        if self.second.swap(now, Relaxed) != now {
            return Some(self.lines.swap(1, Relaxed).saturating_sub(LINES));
        }
        (self.lines.fetch_add(1, Relaxed) < LINES).then_some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_few_lines_and_the_next_tells_how_many_it_had_not() {
        let limit = LogLimit::new();
        let admitted: Vec<_> = (0..15).filter_map(|_| limit.admit(7)).collect();
        assert_eq!(admitted, [0; 10]);
        assert_eq!(limit.admit(9), Some(5));
        assert_eq!(limit.admit(9), Some(0));
        assert_eq!(limit.admit(10), Some(0));
    }
}
