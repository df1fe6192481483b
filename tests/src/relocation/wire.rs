//! The way between two agents, which can be cut, at any octet, and mended.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::world::{Changes, World};

/// What is read at once.
const CHUNK: usize = 64 << 10;
/// How many reads may be on their way: more than a fast, long wire holds.
const ON_THE_WAY: usize = 512;

/// How long and how fast a wire is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Length {
    /// How long an octet takes, one way.
    pub delay: Duration,
    /// How long the next octet has to wait, each way.
    pub octet: Duration,
}

/// A wire between the agents of a and b.
#[derive(Clone, Debug)]
pub struct Wire(Arc<State>);

#[derive(Debug)]
struct State {
    /// Where connections to b and to a come in.
    ways: [u16; 2],
    /// Where b and a listen; 0 before it is known.
    ends: [AtomicU16; 2],
    cut: AtomicBool,
    /// Octets that pass before the wire is cut.
    left: AtomicU64,
    /// Octets that have passed.
    passed: AtomicU64,
    streams: Mutex<Vec<TcpStream>>,
    length: Length,
    /// When all that has been sent will have left, from a and from b.
    left_at: [Mutex<Instant>; 2],
}

impl Wire {
    /// A whole wire, short and fast, whose ends are not connected.
    pub fn new() -> Self {
        Self::of(Length::default())
    }

    /// A whole wire of some length, whose ends are not connected.
    pub fn of(length: Length) -> Self {
        let listeners = [0, 1].map(|_| TcpListener::bind("[::1]:0").unwrap());
        let wire = Self(Arc::new(State {
            ways: [0, 1].map(|way: usize| listeners[way].local_addr().unwrap().port()),
            ends: Default::default(),
            cut: AtomicBool::new(false),
            left: AtomicU64::new(u64::MAX),
            passed: AtomicU64::new(0),
            streams: Mutex::default(),
            length,
            left_at: [0, 1].map(|_| Mutex::new(Instant::now())),
        }));
        for (way, listener) in listeners.into_iter().enumerate() {
            let wire = wire.clone();
            std::thread::spawn(move || {
                for from in listener.incoming().flatten() {
                    wire.take(&from, way);
                }
            });
        }
        wire
    }

    /// Has the agents of a world dial each other through this.
    #[must_use]
    pub fn between(&self, changes: Changes) -> Changes {
        Changes {
            way_to_b: Some(self.0.ways[0]),
            way_to_a: Some(self.0.ways[1]),
            ..changes
        }
    }

    /// Connects the ends.
    pub fn lay(&self, world: &World) {
        for (end, site) in self.0.ends.iter().zip(["b", "a"]) {
            end.store(world.port(site), Ordering::SeqCst);
        }
    }

    /// Ends every connection; nobody gets a new one.
    pub fn cut(&self) {
        self.0.cut.store(true, Ordering::SeqCst);
        let mut streams = self
            .0
            .streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for stream in streams.drain(..) {
            // The other side may have ended it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Cuts it as soon as so many octets more have passed, both ways together.
    pub fn cut_after(&self, octets: u64) {
        self.0.left.store(octets, Ordering::SeqCst);
    }

    /// Whether nobody gets a connection.
    pub fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::SeqCst)
    }

    /// Octets that have passed, both ways together.
    pub fn passed(&self) -> u64 {
        self.0.passed.load(Ordering::SeqCst)
    }

    /// Lets connections pass again.
    pub fn mend(&self) {
        self.0.left.store(u64::MAX, Ordering::SeqCst);
        self.0.cut.store(false, Ordering::SeqCst);
    }

    fn take(&self, from: &TcpStream, way: usize) {
        let end = self.0.ends[way].load(Ordering::SeqCst);
        let Ok(to) = TcpStream::connect(("::1", end)) else {
            return;
        };
        if self.0.cut.load(Ordering::SeqCst) {
            return;
        }
        for stream in [from, &to] {
            stream.set_nodelay(true).unwrap();
            let mut streams = self
                .0
                .streams
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            streams.push(stream.try_clone().unwrap());
        }
        self.carry(from, &to, way);
        self.carry(&to, from, 1 - way);
    }

    fn carry(&self, from: &TcpStream, to: &TcpStream, way: usize) {
        let wire = self.clone();
        let (mut from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let (sender, receiver) = sync_channel(ON_THE_WAY);
        std::thread::spawn(move || deliver(&receiver, to));
        std::thread::spawn(move || {
            let mut octets = vec![0; CHUNK];
            while let Ok(count @ 1..) = from.read(&mut octets) {
                let passing = wire.pass(count);
                let due = wire.due(way, passing);
                if sender.send((due, octets[..passing].to_vec())).is_err() {
                    break;
                }
                if passing < count {
                    wire.cut();
                }
            }
        });
    }

    /// When octets that are sent now arrive.
    fn due(&self, way: usize, octets: usize) -> Instant {
        let Length { delay, octet } = self.0.length;
        let mut left_at = self.0.left_at[way].lock().unwrap();
        let octets = u32::try_from(octets).unwrap();
        *left_at = (*left_at).max(Instant::now()) + octet * octets;
        *left_at + delay
    }

    /// How many of so many octets pass.
    fn pass(&self, count: usize) -> usize {
        let count = count as u64;
        let take = |left: u64| (left != u64::MAX).then(|| left.saturating_sub(count));
        let left = self
            .0
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        let passing = left.map_or(count, |left| left.min(count));
        self.0.passed.fetch_add(passing, Ordering::SeqCst);
        usize::try_from(passing).unwrap()
    }
}

/// Hands over what is due, until no more comes.
fn deliver(receiver: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    for (due, octets) in receiver {
        sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&octets).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

impl Default for Wire {
    fn default() -> Self {
        Self::new()
    }
}
