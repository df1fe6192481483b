//! Lines of a program, each with the time at which it came.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Doing, LabError};

/// The longest line that is read as one.
const LONGEST: u64 = 4096;

/// A line and when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// On the clock of the lab.
    pub at: Duration,
    /// Without its end.
    pub text: String,
}

/// A file that another program is still writing: reading waits for more until told that no more
/// will come.
#[derive(Debug)]
pub struct Growing {
    file: File,
    complete: Arc<AtomicBool>,
}

impl Growing {
    /// Makes an empty file, and returns it with the switch that says it is complete.
    ///
    /// # Errors
    /// [`LabError::Io`] when it cannot be made.
    pub fn create(path: &Path) -> Result<(Self, Arc<AtomicBool>), LabError> {
        let what = || format!("make {}", path.display());
        File::create(path).doing(what)?;
        let complete = Arc::new(AtomicBool::new(false));
        let growing = Self {
            file: File::open(path).doing(what)?,
            complete: Arc::clone(&complete),
        };
        Ok((growing, complete))
    }
}

impl Read for Growing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let complete = self.complete.load(Ordering::Relaxed);
            let length = self.file.read(buffer)?;
            if length > 0 || complete {
                return Ok(length);
            }
            sleep(Duration::from_millis(1));
        }
    }
}

/// A thread that reads lines until there are no more.
#[derive(Debug)]
pub struct Lines {
    read: Arc<Mutex<Vec<Line>>>,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    /// Starts to read.
    ///
    /// # Errors
    /// [`LabError::Io`] when no thread can be started.
    pub fn read(source: impl Read + Send + 'static, clock: Clock) -> Result<Self, LabError> {
        let read = Arc::new(Mutex::new(vec![]));
        let written = Arc::clone(&read);
        let thread = std::thread::Builder::new()
            .name("lab-lines".to_owned())
            .spawn(move || {
                let mut reader = BufReader::new(source);
                let mut octets = vec![];
                while matches!(
                    reader.by_ref().take(LONGEST).read_until(b'\n', &mut octets),
                    Ok(1..)
                ) {
                    let line = Line {
                        at: clock.now(),
                        text: String::from_utf8_lossy(&octets).trim_end().to_owned(),
                    };
                    octets.clear();
                    written
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(line);
                }
            })
            .doing(|| "start a thread".to_owned())?;
        Ok(Self {
            read,
            thread: Some(thread),
        })
    }

    /// What has come so far.
    pub fn so_far(&self) -> Vec<Line> {
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until the source has ended, and returns everything that came. The program that
    /// writes must have been stopped before.
    pub fn finish(mut self) -> Vec<Line> {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a thread that reads lines panicked");
        }
        std::mem::take(&mut *self.read.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
