//! Failures that may come with every packet, logged at a bearable rate.

use std::collections::HashMap;
use std::time::Duration;

use ilnp_core::time::Instant;

use ilnp_service::explain::explain;

/// The same complaint is made once in this time.
const INTERVAL: Duration = Duration::from_secs(10);

/// What was complained of, when, and how often it happened since.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    made: HashMap<&'static str, (Instant, u64)>,
}

impl Complaints {
    /// Logs that `what` failed, unless that was logged a moment ago.
    pub(super) fn make(
        &mut self,
        now: Instant,
        what: &'static str,
        error: impl Into<anyhow::Error>,
    ) {
        if let Some(unlogged) = self.due(now, what) {
            let error = explain(&error.into());
            tracing::warn!(error, unlogged, "cannot {what}");
        }
    }

    /// How often it happened unlogged, when it is to be logged now.
    fn due(&mut self, now: Instant, what: &'static str) -> Option<u64> {
        match self.made.get_mut(what) {
            Some((last, unlogged)) if now - *last < INTERVAL => {
                *unlogged += 1;
                None
            }
            other => {
                let unlogged = other.map_or(0, |(_, unlogged)| *unlogged);
                self.made.insert(what, (now, 0));
                Some(unlogged)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_complaint_waits_and_tells_how_often_it_was_held_back() {
        let mut complaints = Complaints::default();
        let start = Instant::from_nanos(1);
        assert_eq!(complaints.due(start, "a"), Some(0));
        assert_eq!(complaints.due(start, "a"), None);
        assert_eq!(complaints.due(start, "b"), Some(0));
        assert_eq!(complaints.due(start + INTERVAL, "a"), Some(1));
        assert_eq!(complaints.due(start + INTERVAL * 2, "a"), Some(0));
    }
}
