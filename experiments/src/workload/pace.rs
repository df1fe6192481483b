//! A sender that keeps its pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::error::{Doing, LabError};
use crate::realtime::prefer_this_thread;

/// A thread that does something at a steady pace until it is told to stop.
#[derive(Debug)]
pub(super) struct Pacer {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    /// Calls `send` with 0, 1, 2, ... every `interval`, and makes up for lateness. `send` returns
    /// whether to go on.
    pub(super) fn start(
        interval: Duration,
        mut send: impl FnMut(u64) -> bool + Send + 'static,
    ) -> Result<Self, LabError> {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&count));
        let thread = std::thread::Builder::new()
            .name("lab-send".to_owned())
            .spawn(move || {
                prefer_this_thread();
                let mut due = Instant::now();
                let mut number = 0;
                while !stopped.load(Ordering::Relaxed) && send(number) {
                    number += 1;
                    counted.store(number, Ordering::Relaxed);
                    due += interval;
                    sleep(due.saturating_duration_since(Instant::now()));
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
