//! How many packets wait for the daemon: what lets the programs keep room in the queue for the
//! messages that prove a session (`bpf/lib/queue.h`).

use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aya::Ebpf;
use aya::maps::{Array, MapData};

use super::error::DataPathError;
use super::maps;

/// What the programs count: packets left to the daemon.
const LEFT: u32 = 0;
/// What the daemon counts: packets read.
const READ: u32 = 1;
/// After how many packets the programs are told.
const OFTEN: u64 = 32;

/// The reader's end of the queue.
pub(super) struct Queue(Mutex<Ends>);

struct Ends {
    table: Array<MapData, u64>,
    read: u64,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.ends().read).finish()
    }
}

impl Queue {
    /// Takes the table out of the loaded object. What an earlier daemon has not read is gone.
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, DataPathError> {
        let table = maps::take(ebpf, maps::QUEUE)?;
        let queue = Self(Mutex::new(Ends { table, read: 0 }));
        queue
            .emptied()
            .map_err(DataPathError::failed_to("use a BPF table"))?;
        Ok(queue)
    }

    /// A packet was read.
    pub(super) fn read_one(&self) -> io::Result<()> {
        let mut ends = self.ends();
        ends.read = ends.read.wrapping_add(1);
        if ends.read.is_multiple_of(OFTEN) {
            return ends.tell();
        }
        Ok(())
    }

    /// Nothing waits. This mends what the two counts differ by otherwise: the kernel's own
    /// packets, which are read and were not counted, and counted ones that it has dropped.
    pub(super) fn emptied(&self) -> io::Result<()> {
        let mut ends = self.ends();
        ends.read = ends.table.get(&LEFT, 0).map_err(io::Error::other)?;
        ends.tell()
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ends {
    fn tell(&mut self) -> io::Result<()> {
        let told = self.table.set(READ, self.read, 0);
        told.map_err(io::Error::other)
    }
}
