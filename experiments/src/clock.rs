//! The one clock of a run, which captures, programs and probes share.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time since a run began, and the wall-clock time that captures are stamped with.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    start_of_wall: Duration,
}

impl Clock {
    /// A clock that reads zero now.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            start_of_wall: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// The time since the start.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The time since the start at a wall-clock time (since 1970), zero when it was before.
    pub fn at_wall(&self, wall: Duration) -> Duration {
        wall.saturating_sub(self.start_of_wall)
    }

    /// The instant at which this clock shows `time`.
    pub fn instant(&self, time: Duration) -> Instant {
        self.start + time
    }
}
