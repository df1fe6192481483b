//! The way between two agents, which can be cut, at any octet, and mended.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::world::{Changes, World};

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
}

impl Wire {
    /// A whole wire, whose ends are not connected.
    pub fn new() -> Self {
        let listeners = [0, 1].map(|_| TcpListener::bind("[::1]:0").unwrap());
        let wire = Self(Arc::new(State {
            ways: [0, 1].map(|way: usize| listeners[way].local_addr().unwrap().port()),
            ends: Default::default(),
            cut: AtomicBool::new(false),
            left: AtomicU64::new(u64::MAX),
            passed: AtomicU64::new(0),
            streams: Mutex::default(),
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
        self.carry(from, &to);
        self.carry(&to, from);
    }

    fn carry(&self, from: &TcpStream, to: &TcpStream) {
        let wire = self.clone();
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut octets = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = from.read(&mut octets) {
                let passing = wire.pass(count);
                if to.write_all(&octets[..passing]).is_err() {
                    break;
                }
                if passing < count {
                    wire.cut();
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
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

impl Default for Wire {
    fn default() -> Self {
        Self::new()
    }
}
