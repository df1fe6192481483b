//! A stream of numbered UDP datagrams, and what arrived of it.

use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::time::Duration;

use bytes::Bytes;

use super::message::Datagram;
use super::progress::Progress;
use crate::time::Instant;

/// Sends a numbered datagram at every interval.
#[derive(Clone, Debug)]
pub struct Sender {
    local: SocketAddrV6,
    remote: SocketAddrV6,
    interval: Duration,
    next: Option<Instant>,
    sent: u64,
}

impl Sender {
    pub(super) fn new(
        now: Instant,
        local: SocketAddrV6,
        remote: SocketAddrV6,
        interval: Duration,
    ) -> Self {
        Self {
            local,
            remote,
            interval,
            next: Some(now),
            sent: 0,
        }
    }

    /// How many datagrams were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Ends the stream.
    pub fn stop(&mut self) {
        self.next = None;
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Datagram> {
        let due = self.next.filter(|next| *next <= now)?;
        self.next = Some(due + self.interval);
        let number = self.sent;
        self.sent += 1;
        Some(Datagram {
            source: self.local,
            destination: self.remote,
            payload: Bytes::copy_from_slice(&number.to_be_bytes()),
        })
    }
}

/// What arrived of one stream.
#[derive(Clone, Debug)]
pub struct Received {
    progress: Progress,
    copies: BTreeMap<u64, u32>,
}

impl Received {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            progress: Progress::new(now),
            copies: BTreeMap::new(),
        }
    }

    pub(super) fn record(&mut self, now: Instant, payload: &Bytes) {
        if let Ok(number) = payload.as_ref().try_into().map(u64::from_be_bytes) {
            *self.copies.entry(number).or_default() += 1;
            self.progress.record(now);
        }
    }

    /// When datagrams arrived.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The same, to begin a new measurement.
    pub fn progress_mut(&mut self) -> &mut Progress {
        &mut self.progress
    }

    /// How many different datagrams arrived.
    pub fn distinct(&self) -> u64 {
        self.copies.len() as u64
    }

    /// How many of the first `sent` datagrams did not arrive.
    pub fn missing(&self, sent: u64) -> u64 {
        (0..sent).filter(|n| !self.copies.contains_key(n)).count() as u64
    }
}
