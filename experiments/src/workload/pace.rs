//! A sender that keeps its pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::error::{Doing, LabError};
use crate::realtime::prefer_this_thread;

/// How many intervals it may be late and make up for them. A virtual machine that stood still for
/// longer would have nothing else to do at first.
const LATE: u32 = 10;

/// A thread that does something at a steady pace until it is told to stop.
#[derive(Debug)]
pub(super) struct Pacer {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    /// Calls `send` with 0, 1, 2, ... every `interval`, and makes up for a little lateness. `send`
    /// returns whether to go on.
    pub(super) fn start(
        interval: Duration,
        send: impl FnMut(u64) -> bool + Send + 'static,
    ) -> Result<Self, LabError> {
        Self::spawn(interval, send, || {})
    }

    /// The same, as punctual as a clock. Not in a virtual machine: whatever it does would run before
    /// the programs that are measured, those that bring it back to the network among them.
    pub(super) fn punctual(
        interval: Duration,
        send: impl FnMut(u64) -> bool + Send + 'static,
    ) -> Result<Self, LabError> {
        Self::spawn(interval, send, prefer_this_thread)
    }

    fn spawn(
        interval: Duration,
        mut send: impl FnMut(u64) -> bool + Send + 'static,
        prepare: impl FnOnce() + Send + 'static,
    ) -> Result<Self, LabError> {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&count));
        let thread = std::thread::Builder::new()
            .name("lab-send".to_owned())
            .spawn(move || {
                prepare();
                let mut due = Instant::now();
                let mut number = 0;
                while !stopped.load(Ordering::Relaxed) && send(number) {
                    number += 1;
                    counted.store(number, Ordering::Relaxed);
                    let now = Instant::now();
                    due = (due + interval).max(now.checked_sub(interval * LATE).unwrap_or(due));
                    sleep(due.saturating_duration_since(now));
                }
            })
            .doing(|| "start a thread".to_owned())?;
        Ok(Self {
            stop,
            count,
            thread: Some(thread),
        })
    }

    /// How many were sent.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Lets the thread end when it has sent what it is sending.
    pub(super) fn request_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Ends the thread.
    pub(super) fn stop(&mut self) {
        self.request_stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a sending thread panicked");
        }
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// As of a sender in a virtual machine that stood still.
    #[test]
    fn what_was_missed_for_long_is_not_made_up_for() {
        const INTERVAL: Duration = Duration::from_millis(1);
        const PAUSE: Duration = Duration::from_millis(300);
        let (sent, times) = mpsc::channel();
        let _pacer = Pacer::start(INTERVAL, move |number| {
            if number == 5 {
                sleep(PAUSE);
            }
            sent.send(Instant::now()).is_ok()
        });
        let resumed = times.iter().nth(5).unwrap();
        let later = times.iter().nth(100).unwrap();
        let due = INTERVAL * (100 - LATE - 1);
        assert!(later - resumed > due, "{:?}", later - resumed);
    }
}
