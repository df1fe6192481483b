//! Lines over a port that may not be there, and at whose other end nobody may be.

mod device;
mod outbox;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ilnp_core::relocation::{FromGuest, Line, Lines, encode};
use tokio::time::Instant;

use device::{Device, Received};
use outbox::Outbox;

/// How often it is looked whether a port has appeared.
const RETRY: Duration = Duration::from_secs(1);

/// What is read at once.
const CHUNK: usize = 4096;

/// A port, opened again for as long as it takes.
#[derive(Debug)]
pub(super) struct Port {
    path: PathBuf,
    device: Option<Device>,
    /// When to look for it again.
    retry: Instant,
    /// What was last complained about.
    complaint: Option<String>,
    lines: Lines,
    read: VecDeque<Vec<u8>>,
    outbox: Outbox,
}

impl Port {
    /// A port that is not open.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            device: None,
            retry: Instant::now(),
            complaint: None,
            lines: Lines::default(),
            read: VecDeque::new(),
            outbox: Outbox::default(),
        }
    }

    /// Sends a line as soon as somebody is there to read it. Never waits: of what nobody reads only
    /// the newest is kept.
    pub(super) fn send(&mut self, line: &FromGuest) {
        match encode(line) {
            Ok(octets) => self.outbox.push(octets),
            Err(error) => tracing::warn!(%error, "the hypervisor's agent is not told"),
        }
        // What is left is written in `next`.
        self.attend(|device, outbox| outbox.write_to(device));
    }

    /// Waits for the next line, and writes meanwhile what there is to write.
    ///
    /// Losing the future loses nothing.
    pub(super) async fn next(&mut self) -> Vec<u8> {
        loop {
            if let Some(line) = self.read.pop_front() {
                return line;
            }
            if self.device.is_none() {
                tokio::time::sleep_until(self.retry).await;
                self.open();
                continue;
            }
            self.attend(|device, outbox| outbox.write_to(device));
            if self.receive() {
                // Whoever writes without a pause must not keep the other tasks waiting.
                tokio::task::yield_now().await;
            } else if let Some(device) = &self.device
                && let Err(error) = device.changed().await
            {
                self.lose(&error);
            }
        }
    }

    fn open(&mut self) {
        self.retry = Instant::now() + RETRY;
        match Device::open(&self.path) {
            Ok(device) => {
                tracing::info!(port = %self.path.display(), "listening to the hypervisor's agent");
                self.device = Some(device);
                self.complaint = None;
                self.lines.cut();
                self.outbox.begin_again();
            }
            // Most hosts are no guests, or have no port.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.complain(&error),
        }
    }

    /// Reads what is there. Whether there was anything.
    fn receive(&mut self) -> bool {
        let mut chunk = [0; CHUNK];
        let Some(received) = self.attend(|device, _| device.read(&mut chunk)) else {
            return false;
        };
        let octets = match received {
            Received::Octets(count) => chunk.get(..count).unwrap_or_default(),
            Received::Nothing => return false,
        };
        for line in self.lines.push(octets) {
            match line {
                Line::Whole(line) => self.read.push_back(line),
                Line::TooLong => tracing::debug!("a line of the relocation port was too long"),
            }
        }
        true
    }

    /// Does something with the device if it is open, and closes it when that fails.
    fn attend<T>(&mut self, work: impl FnOnce(&Device, &mut Outbox) -> io::Result<T>) -> Option<T> {
        match work(self.device.as_ref()?, &mut self.outbox) {
            Ok(done) => Some(done),
            Err(error) => {
                self.lose(&error);
                None
            }
        }
    }

    fn lose(&mut self, error: &io::Error) {
        self.device = None;
        self.retry = Instant::now() + RETRY;
        self.complain(error);
    }

    /// Says once what is wrong, not every second.
    fn complain(&mut self, error: &io::Error) {
        let text = error.to_string();
        if self.complaint.as_ref() != Some(&text) {
            tracing::warn!(port = %self.path.display(), %error, "cannot listen to the hypervisor's agent; trying again every second");
            self.complaint = Some(text);
        }
    }
}

#[cfg(test)]
mod tests;
