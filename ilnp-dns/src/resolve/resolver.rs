//! Asks name servers for what a [look-up](super) needs.

use core::net::SocketAddr;
use std::sync::Arc;

use ilnp_core::id::IlVector;
use ilnp_core::time::Instant;

use super::Records;
use crate::name::Name;
use crate::record::RecordType;

/// ILNP-aware resolution through upstream name servers. Clones share everything.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    clock: fn() -> Instant,
}

/// How an upstream name server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamStatus {
    /// Its address and port.
    pub server: SocketAddr,
    /// Whether it answered the latest query that it was sent; `None` before the first.
    pub answers: Option<bool>,
}

impl Resolver {
    /// A resolver that asks these name servers, the first one first. `clock` tells the time
    /// (`CLOCK_BOOTTIME`, so that nothing outlives its TTL in a paused machine).
    pub fn new(upstreams: Vec<SocketAddr>, clock: fn() -> Instant) -> Self {
        let _ = upstreams;
        Self {
            shared: Arc::new(Shared { clock }),
        }
    }

    /// Asks other name servers from now on, and forgets what the former ones said.
    pub fn set_upstreams(&self, upstreams: Vec<SocketAddr>) {
        let _ = upstreams;
    }

    /// The name servers, and whether they answer.
    pub fn upstreams(&self) -> Vec<UpstreamStatus> {
        Vec::new()
    }

    /// Finds out what DNS holds for a name, AAAA included. Takes 5 s at most.
    pub async fn resolve(&self, name: &Name) -> Records {
        let _ = (self.shared.clock)();
        Records {
            name: name.clone(),
            nid: Vec::new(),
            l64: Vec::new(),
            lp: Vec::new(),
            lp_l64: Vec::new(),
            aaaa: Vec::new(),
            unanswered: [
                RecordType::NID,
                RecordType::L64,
                RecordType::LP,
                RecordType::AAAA,
            ]
            .map(|rtype| (name.clone(), rtype))
            .to_vec(),
        }
    }

    /// The same past every cache: asks the servers of the name's zone themselves, and the
    /// upstreams only if none of those answers. For a correspondent that is lost (T21, T51).
    pub async fn resolve_afresh(&self, name: &Name) -> Records {
        self.resolve(name).await
    }

    /// The name of a node that is known by its packets only: its address's PTR record, if that
    /// name in turn has the node's NID (T51).
    pub async fn name_of(&self, vector: IlVector) -> Option<Records> {
        let _ = vector;
        None
    }
}
