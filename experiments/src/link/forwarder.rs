//! Moves frames between the two ends of a link through a pair of seeded link models.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Instant as SystemInstant;

use bytes::Bytes;
use ilnp_core::sim::link::Link;
use ilnp_core::time::Instant;
use nix::poll::{PollFd, PollFlags};
use nix::sys::time::TimeSpec;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::packet_socket::{PacketSocket, VNET_HEADER};
use super::{INNER, OUTER, conditions};
use crate::error::{Doing, LabError};
use crate::measure::updates::locator_update;
use crate::realtime::prefer_this_thread;
use crate::scenario::LinkSettings;
use crate::topology::Namespace;

/// A virtio header, an Ethernet header and the largest batch of segments.
const LARGEST_FRAME: usize = VNET_HEADER + 14 + 65_536;
/// How many frames are taken from one end before those that are due are sent.
const BATCH: usize = 64;

/// A thread that carries frames until it is dropped.
#[derive(Debug)]
pub(super) struct Forwarder {
    /// Closing this end stops the thread.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Forwarder {
    /// Starts to carry frames between the two interfaces of a link's namespace.
    pub(super) fn start(
        namespace: &Namespace,
        settings: &LinkSettings,
        seed: u64,
    ) -> Result<Self, LabError> {
        let open = || io::Result::Ok([PacketSocket::open(INNER)?, PacketSocket::open(OUTER)?]);
        let sockets = namespace
            .inside(open)?
            .doing(|| format!("open packet sockets in {}", namespace.name()))?;
        let (stop, stopped) = UnixStream::pair().doing(|| "make a socket pair".to_owned())?;
        let mut carrier = Carrier::new(sockets, settings, seed);
        let name = namespace.name().to_owned();
        let thread = std::thread::Builder::new()
            .name("lab-link".to_owned())
            .spawn(move || {
                if let Err(error) = carrier.run(&stopped) {
                    tracing::error!(namespace = name, %error, "the link is dead");
                }
            })
            .doing(|| "start a thread".to_owned())?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of a link panicked");
        }
    }
}

/// One direction: from one end through a link model to the other.
#[derive(Debug)]
struct Way {
    from: usize,
    to: usize,
    link: Link,
    chance: Xoshiro256PlusPlus,
}

/// What the thread works with.
#[derive(Debug)]
struct Carrier {
    sockets: [PacketSocket; 2],
    ways: [Way; 2],
    locator_update_loss: f64,
    start: SystemInstant,
    buffer: Vec<u8>,
}

impl Carrier {
    fn new(sockets: [PacketSocket; 2], settings: &LinkSettings, seed: u64) -> Self {
        let way = |from, to, seed| Way {
            from,
            to,
            link: Link::new(conditions(settings), seed),
            chance: Xoshiro256PlusPlus::seed_from_u64(!seed),
        };
        let seed = seed.wrapping_mul(2);
        Self {
            sockets,
            ways: [way(0, 1, seed), way(1, 0, seed.wrapping_add(1))],
            locator_update_loss: settings.locator_update_loss,
            start: SystemInstant::now(),
            buffer: vec![0; LARGEST_FRAME],
        }
    }

    /// Carries frames until the other end of `stopped` is closed.
    fn run(&mut self, stopped: &UnixStream) -> io::Result<()> {
        prefer_this_thread();
        while !self.wait(stopped)? {
            for way in 0..self.ways.len() {
                self.take_in(way)?;
                self.send_due(way);
            }
        }
        Ok(())
    }

    /// Waits for a frame, a deadline or the end; returns whether it is the end.
    fn wait(&self, stopped: &UnixStream) -> io::Result<bool> {
        let due = self.ways.iter().filter_map(|way| way.link.next_deadline());
        let timeout = due.min().map(|due| TimeSpec::from(due - self.now()));
        let [inner, outer] = &self.sockets;
        let mut descriptors = [inner.as_fd(), outer.as_fd(), stopped.as_fd()]
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
        match nix::poll::ppoll(&mut descriptors, timeout, None) {
            Ok(_) | Err(nix::Error::EINTR) => {
                Ok(descriptors.last().and_then(PollFd::any).unwrap_or_default())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn take_in(&mut self, way: usize) -> io::Result<()> {
        let start = self.start;
        let Some(way) = self.ways.get_mut(way) else {
            return Ok(());
        };
        for _ in 0..BATCH {
            let Some(length) = self.sockets[way.from].receive(&mut self.buffer)? else {
                break;
            };
            let frame = self.buffer.get(..length).unwrap_or_default();
            let share = self.locator_update_loss;
            if share > 0.0 && is_locator_update(frame) && way.chance.random_bool(share) {
                continue;
            }
            // Not once for all of them: one that comes while others are read would leave too early.
            way.link.send(since(start), Bytes::copy_from_slice(frame));
        }
        Ok(())
    }

    fn send_due(&mut self, way: usize) {
        let now = self.now();
        let Some(way) = self.ways.get_mut(way) else {
            return;
        };
        while let Some(frame) = way.link.poll(now) {
            if let Err(error) = self.sockets[way.to].send(&frame) {
                // As on a real link: what cannot be sent is lost.
                tracing::debug!(%error, length = frame.len(), "frame lost");
            }
        }
    }

    fn now(&self) -> Instant {
        since(self.start)
    }
}

fn since(start: SystemInstant) -> Instant {
    let nanos = start.elapsed().as_nanos();
    Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Whether a frame behind its virtio header is a Locator Update or its acknowledgement.
fn is_locator_update(frame: &[u8]) -> bool {
    let frame = frame.get(VNET_HEADER..).unwrap_or_default();
    locator_update(frame).is_some()
}
