//! How many octets have gone and come on each stream of a relocation.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::hypervisor::Stream;

/// The counts of a relocation at one site. Copies of this count together.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<Mutex<BTreeMap<Stream, Arc<Count>>>>);

/// One stream's, while it goes on.
#[derive(Debug, Default)]
pub(super) struct Count {
    sent: AtomicU64,
    received: AtomicU64,
    connections: AtomicU64,
}

/// What one stream has carried: what hypervisors wrote, without what TLS and TCP add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counted {
    /// Which stream.
    pub stream: Stream,
    /// Octets to the other site.
    pub sent: u64,
    /// Octets from the other site.
    pub received: u64,
    /// Connections that there have been.
    pub connections: u64,
}

impl Counters {
    /// The counts so far, by stream.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Counted> {
        let counted = |(stream, count): (&Stream, &Arc<Count>)| Counted {
            stream: stream.clone(),
            sent: count.sent.load(Ordering::Relaxed),
            received: count.received.load(Ordering::Relaxed),
            connections: count.connections.load(Ordering::Relaxed),
        };
        self.streams().iter().map(counted).collect()
    }

    /// Counts one more connection of a stream.
    pub(super) fn connection(&self, stream: &Stream) -> Arc<Count> {
        let count = self.streams().entry(stream.clone()).or_default().clone();
        count.connections.fetch_add(1, Ordering::Relaxed);
        count
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<Stream, Arc<Count>>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    pub(super) fn sent(&self, octets: usize) {
        self.sent.fetch_add(octets as u64, Ordering::Relaxed);
    }

    pub(super) fn received(&self, octets: usize) {
        self.received.fetch_add(octets as u64, Ordering::Relaxed);
    }
}
