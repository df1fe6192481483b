//! One end of a TCP-like session: just enough of RFC 9293 to know whether a session survives and for
//! how long it stood still.
//!
//! Once established, an end writes a segment at every interval and repeats from the first octet that
//! is not acknowledged when its timer (RFC 6298) runs out or three duplicate acknowledgements come
//! in. There is no window but a fixed one, and no closing.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV6;
use std::time::Duration;

use bytes::Bytes;
use pnet_packet::tcp::TcpFlags::{ACK, RST, SYN};

use super::message::Segment;
use super::progress::Progress;
use crate::time::Instant;

/// Octets in each segment.
const SEGMENT: u32 = 100;
/// Octets that may be under way.
const WINDOW: u32 = 64 * SEGMENT;
/// First retransmission of a SYN, and of data before a round trip was measured.
const INITIAL_TIMEOUT: Duration = Duration::from_secs(1);
const MIN_TIMEOUT: Duration = Duration::from_millis(200);
const MAX_TIMEOUT: Duration = Duration::from_secs(120);
/// Linux gives a SYN up after 6 repetitions and data after 15.
const SYN_RETRIES: u32 = 6;
const DATA_RETRIES: u32 = 15;
const DUPLICATES: u32 = 3;

/// Where an end stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The SYN is out.
    SynSent,
    /// A SYN came in, the SYN/ACK is out.
    SynReceived,
    /// Data flows.
    Established,
    /// It ended with this error.
    Failed(Failure),
}

/// How a session ends that was not meant to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Too many retransmissions (`ETIMEDOUT`).
    TimedOut,
    /// The other end knows no such session (`ECONNRESET`, `ECONNREFUSED`).
    Reset,
    /// An ICMPv6 error of this type and code ended the attempt to connect.
    Icmp(u8, u8),
    /// The data is not what the other end wrote.
    Corrupted,
}

/// One end of a session.
#[derive(Clone, Debug)]
pub struct Connection {
    local: SocketAddrV6,
    remote: SocketAddrV6,
    state: State,
    interval: Duration,
    writing: bool,
    next_write: Instant,
    /// Octets that the application wrote; sequence numbers are these plus one for the SYN.
    written: u32,
    unacknowledged: u32,
    next: u32,
    awaited: u32,
    /// What arrived out of order: the length by the sequence number.
    ahead: BTreeMap<u32, u32>,
    duplicates: u32,
    retries: u32,
    timer: Option<Instant>,
    timeout: Duration,
    round_trip: Option<(Duration, Duration)>,
    timed: Option<(u32, Instant)>,
    progress: Progress,
    out: VecDeque<Segment>,
}

impl Connection {
    /// Begins to connect.
    pub(super) fn connect(
        now: Instant,
        local: SocketAddrV6,
        remote: SocketAddrV6,
        interval: Duration,
    ) -> Self {
        let mut connection = Self::new(now, local, remote, State::SynSent, interval);
        connection.send(SYN, 0, Bytes::new());
        connection.start_timer(now);
        connection
    }

    /// Answers a SYN.
    pub(super) fn accept(now: Instant, syn: &Segment, interval: Duration) -> Self {
        let state = State::SynReceived;
        let mut connection = Self::new(now, syn.destination, syn.source, state, interval);
        connection.awaited = 1;
        connection.send(SYN | ACK, 0, Bytes::new());
        connection.start_timer(now);
        connection
    }

    fn new(
        now: Instant,
        local: SocketAddrV6,
        remote: SocketAddrV6,
        state: State,
        interval: Duration,
    ) -> Self {
        Self {
            local,
            remote,
            state,
            interval,
            writing: true,
            next_write: now,
            written: 0,
            unacknowledged: 0,
            next: 1,
            awaited: 0,
            ahead: BTreeMap::new(),
            duplicates: 0,
            retries: 0,
            timer: None,
            timeout: INITIAL_TIMEOUT,
            round_trip: None,
            timed: None,
            progress: Progress::new(now),
            out: VecDeque::new(),
        }
    }

    /// Where this end stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// What arrived here, and when.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How many octets the application got, in order.
    pub fn received(&self) -> u32 {
        self.awaited.saturating_sub(1)
    }

    /// How many octets the other end acknowledged.
    pub fn acknowledged(&self) -> u32 {
        self.unacknowledged.saturating_sub(1)
    }

    /// How many octets the application wrote.
    pub fn written(&self) -> u32 {
        self.written
    }

    /// Stops or starts writing; what was written before is still brought over.
    pub fn set_writing(&mut self, now: Instant, writing: bool) {
        self.writing = writing;
        self.next_write = now;
    }

    /// When this end next has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let write = (self.state == State::Established && self.writing && self.window_open())
            .then_some(self.next_write);
        [self.timer, write].into_iter().flatten().min()
    }

    pub(super) fn poll(&mut self) -> Option<Segment> {
        self.out.pop_front()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.timer.is_some_and(|timer| timer <= now) {
            self.retransmit(now);
        }
        while self.state == State::Established
            && self.writing
            && self.window_open()
            && self.next_write <= now
        {
            self.written += SEGMENT;
            self.next_write = self.next_write.max(now) + self.interval;
            self.send_new(now);
        }
    }

    pub(super) fn handle_segment(&mut self, now: Instant, segment: &Segment) {
        if segment.flags & RST != 0 {
            let acceptable = match self.state {
                State::SynSent => segment.flags & ACK != 0 && segment.acknowledgement == 1,
                _ => segment.sequence == self.awaited,
            };
            if acceptable {
                self.fail(Failure::Reset);
            }
            return;
        }
        match self.state {
            State::SynSent => self.handle_syn_ack(now, segment),
            State::SynReceived if segment.flags & SYN != 0 => self.send(SYN | ACK, 0, Bytes::new()),
            State::SynReceived | State::Established => {
                self.handle_acknowledgement(now, segment);
                self.handle_data(now, segment);
            }
            State::Failed(_) => {}
        }
    }

    /// A kernel ends an attempt to connect on a hard error and lets an established session be.
    pub(super) fn handle_icmp_error(&mut self, kind: u8, code: u8) {
        const DESTINATION_UNREACHABLE: u8 = 1;
        const PARAMETER_PROBLEM: u8 = 4;
        if matches!(self.state, State::SynSent | State::SynReceived)
            && matches!(kind, DESTINATION_UNREACHABLE | PARAMETER_PROBLEM)
        {
            self.fail(Failure::Icmp(kind, code));
        }
    }

    fn handle_syn_ack(&mut self, now: Instant, segment: &Segment) {
        if segment.flags & ACK != 0 && segment.acknowledgement != 1 {
            // The other end still has a session with these ports (RFC 9293 §3.10.7.3).
            self.send(RST, segment.acknowledgement, Bytes::new());
            return;
        }
        if segment.flags & (SYN | ACK) != SYN | ACK {
            return;
        }
        self.awaited = 1;
        self.unacknowledged = 1;
        self.establish(now);
        self.send(ACK, self.next, Bytes::new());
    }

    fn handle_acknowledgement(&mut self, now: Instant, segment: &Segment) {
        let acknowledged = segment.acknowledgement;
        if segment.flags & ACK == 0 || acknowledged > self.written + 1 {
            return;
        }
        if acknowledged > self.unacknowledged {
            self.unacknowledged = acknowledged;
            self.next = self.next.max(acknowledged);
            self.measure(now, acknowledged);
            if self.state == State::SynReceived {
                self.establish(now);
            }
            self.duplicates = 0;
            self.retries = 0;
            self.timeout = self.timeout_from_round_trip();
            self.start_timer(now);
            self.send_new(now);
        } else if acknowledged == self.unacknowledged
            && segment.payload.is_empty()
            && self.next > self.unacknowledged
        {
            self.duplicates += 1;
            if self.duplicates == DUPLICATES {
                self.timed = None;
                self.send_range(self.unacknowledged);
            }
        }
    }

    fn handle_data(&mut self, now: Instant, segment: &Segment) {
        let length = u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
        if length == 0 && segment.flags & SYN == 0 {
            return;
        }
        if length > 0 && segment.payload != data(segment.sequence, length) {
            self.fail(Failure::Corrupted);
            return;
        }
        if (self.awaited..self.awaited.saturating_add(WINDOW)).contains(&segment.sequence) {
            self.ahead.insert(segment.sequence, length);
        }
        while let Some(length) = self.ahead.remove(&self.awaited).filter(|n| *n > 0) {
            self.awaited += length;
            self.progress.record(now);
        }
        self.send(ACK, self.next, Bytes::new());
    }

    fn establish(&mut self, now: Instant) {
        self.state = State::Established;
        self.retries = 0;
        self.timer = None;
        self.next_write = now;
        self.progress = Progress::new(now);
    }

    fn fail(&mut self, failure: Failure) {
        self.state = State::Failed(failure);
        self.timer = None;
        self.out.clear();
    }

    fn retransmit(&mut self, now: Instant) {
        self.retries += 1;
        let limit = if self.state == State::Established {
            DATA_RETRIES
        } else {
            SYN_RETRIES
        };
        if self.retries > limit {
            self.fail(Failure::TimedOut);
            return;
        }
        self.timeout = (self.timeout * 2).min(MAX_TIMEOUT);
        self.timed = None;
        self.duplicates = 0;
        match self.state {
            State::SynSent => self.send(SYN, 0, Bytes::new()),
            State::SynReceived => self.send(SYN | ACK, 0, Bytes::new()),
            State::Established => {
                // From here on in order again: what was under way is taken as lost.
                self.send_range(self.unacknowledged);
                self.next = self.unacknowledged + SEGMENT;
            }
            State::Failed(_) => return,
        }
        self.start_timer(now);
    }

    /// Sends what the window lets out and was not sent yet.
    fn send_new(&mut self, now: Instant) {
        while self.next <= self.written && self.next < self.unacknowledged + WINDOW {
            let sequence = self.next;
            self.timed.get_or_insert((sequence + SEGMENT, now));
            self.send_range(sequence);
            self.next = sequence + SEGMENT;
        }
        if self.timer.is_none() {
            self.start_timer(now);
        }
    }

    fn send_range(&mut self, sequence: u32) {
        self.send(ACK, sequence, data(sequence, SEGMENT));
    }

    fn send(&mut self, flags: u8, sequence: u32, payload: Bytes) {
        self.out.push_back(Segment {
            source: self.local,
            destination: self.remote,
            sequence,
            acknowledgement: self.awaited,
            flags,
            payload,
        });
    }

    fn window_open(&self) -> bool {
        self.written + 1 < self.unacknowledged + WINDOW
    }

    fn start_timer(&mut self, now: Instant) {
        let waiting = self.state != State::Established || self.unacknowledged <= self.written;
        self.timer = waiting.then(|| now + self.timeout);
    }

    fn measure(&mut self, now: Instant, acknowledged: u32) {
        let Some((end, sent)) = self.timed.filter(|(end, _)| acknowledged >= *end) else {
            return;
        };
        debug_assert!(end <= acknowledged);
        self.timed = None;
        let sample = now - sent;
        self.round_trip = Some(match self.round_trip {
            None => (sample, sample / 2),
            Some((mean, deviation)) => (
                (mean * 7 + sample) / 8,
                (deviation * 3 + mean.abs_diff(sample)) / 4,
            ),
        });
    }

    fn timeout_from_round_trip(&self) -> Duration {
        self.round_trip
            .map_or(INITIAL_TIMEOUT, |(mean, deviation)| mean + deviation * 4)
            .clamp(MIN_TIMEOUT, MAX_TIMEOUT)
    }
}

/// What an application writes: every octet says where in the stream it stands.
fn data(sequence: u32, length: u32) -> Bytes {
    (sequence..sequence + length)
        .map(|position| position.to_le_bytes()[0] ^ position.to_le_bytes()[1])
        .collect()
}
