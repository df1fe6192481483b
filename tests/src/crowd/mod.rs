//! Many correspondents of one host, in one process: each has its own identifier and Nonce, opens a
//! TCP connection, and acknowledges the host's Locator Updates.
//!
//! It is not the daemon: it keeps no more than a correspondent must, so that what is measured is
//! the host.

mod peer;

use std::io;
use std::time::{Duration, Instant};

use ilnp_core::id::{IlVector, Locator, Nid};
use ilnp_core::wire::Headers;

use crate::tun::Tun;
use peer::Peer;

/// The upper half of every identifier here; the lower half counts.
const NID_BASE: u64 = 0x0200_c0de_0000_0000;
/// A SYN that was not answered is sent again after this.
const RETRY: Duration = Duration::from_secs(1);

/// The correspondents.
pub struct Crowd {
    tun: Tun,
    locator: Locator,
    peers: Vec<Peer>,
}

/// What it took.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// How many came through.
    pub done: usize,
    /// How long it took all of them, or the whole time that was given.
    pub took: Duration,
}

impl Crowd {
    /// `count` correspondents of `host` below one Locator, behind a TUN device that the routes of
    /// this namespace point to. They connect to this TCP port of the host.
    pub fn new(tun: Tun, locator: Locator, count: u32, host: IlVector, port: u16) -> Self {
        let peers = (0..count)
            .map(|index| Peer::new(identifier(index), host, port))
            .collect();
        Self {
            tun,
            locator,
            peers,
        }
    }

    /// How many they are.
    pub const fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Connects all of them, at most `window` at a time.
    ///
    /// # Errors
    /// As the TUN device does.
    pub fn meet(&mut self, window: usize, limit: Duration) -> io::Result<Progress> {
        let start = Instant::now();
        let mut waiting: std::collections::VecDeque<(usize, Instant)> = Default::default();
        let mut next = 0;
        let mut done = 0;
        while done < self.peers.len() && start.elapsed() < limit {
            while waiting
                .front()
                .is_some_and(|&(index, _)| self.peers[index].is_met())
            {
                waiting.pop_front();
                done += 1;
            }
            if let Some((index, _)) = waiting.pop_front_if(|(_, at)| at.elapsed() > RETRY) {
                self.send(self.peers[index].hello(self.locator))?;
                waiting.push_back((index, Instant::now()));
            }
            while waiting.len() < window && next < self.peers.len() {
                self.send(self.peers[next].hello(self.locator))?;
                waiting.push_back((next, Instant::now()));
                next += 1;
            }
            self.receive()?;
        }
        Ok(Progress {
            done,
            took: start.elapsed(),
        })
    }

    /// Acknowledges Locator Updates until each correspondent got one that names `locator`.
    ///
    /// # Errors
    /// As the TUN device does.
    pub fn await_updates(&mut self, locator: Locator, limit: Duration) -> io::Result<Progress> {
        let start = Instant::now();
        loop {
            let done = self.peers.iter().filter(|peer| peer.knows(locator)).count();
            if done == self.peers.len() || start.elapsed() >= limit {
                return Ok(Progress {
                    done,
                    took: start.elapsed(),
                });
            }
            self.receive()?;
        }
    }

    /// Handles what is there, or waits a moment.
    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 2048];
        self.tun.wait(Duration::from_millis(5))?;
        while let Some(octets) = self.tun.read(&mut buffer)? {
            let Ok(headers) = Headers::parse(octets) else {
                continue;
            };
            let index = index_of(headers.destination_vector().nid);
            let Some(peer) = index.and_then(|index| self.peers.get_mut(index)) else {
                continue;
            };
            if let Some(answer) = peer.hear(&headers, octets, self.locator) {
                self.tun.write(&answer)?;
            }
        }
        Ok(())
    }

    fn send(&self, packet: Option<bytes::Bytes>) -> io::Result<()> {
        packet.map_or(Ok(()), |packet| self.tun.write(&packet))
    }
}

const fn identifier(index: u32) -> Nid {
    Nid::from_bits(NID_BASE + index as u64)
}

fn index_of(nid: Nid) -> Option<usize> {
    usize::try_from(nid.bits().checked_sub(NID_BASE)?).ok()
}
