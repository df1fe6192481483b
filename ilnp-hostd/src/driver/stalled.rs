//! TCP connections that wait although there is a way again (RFC 6069).
//!
//! While there is no way, TCP retransmits to nowhere, and waits twice as long after each time. Once
//! there is a way again, nothing tells it. But Linux takes a doubling back for each ICMPv6
//! Destination Unreachable, no route, about the first octet that is not acknowledged, and
//! retransmits at once when the shorter time is over. So when this host or a correspondent has
//! moved, the kernel is asked which connections between the two wait like that, and each is told
//! as often as a retransmission of it was lost. `ilnp_inject` (bpf/lib/stalled.h) completes what
//! they are told, or drops it when the connection does not wait any more.
//!
//! To programs it is a soft error, which the next acknowledgement takes back.

use std::collections::HashSet;
use std::io;
use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ilnp_core::id::{Handle, HandlePrefix};
use ilnp_core::wire::{Packet, build};
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::kernel::sockets::{Socket, Transport};

/// From one look at the kernel's list to the next: it may be long.
const PAUSE: Duration = Duration::from_millis(20);
/// How many found connections wait for the driver.
const WAITING: usize = 64;
/// A connection is told at most so often: Linux gives up after 15 retransmissions.
const MOST_TIMEOUTS: u32 = 15;

/// Looks for connections that wait.
#[derive(Debug)]
pub(super) struct Search {
    moved: Arc<Moved>,
    /// What was found.
    pub(super) found: mpsc::Receiver<Stalled>,
    _task: AbortOnDropHandle<()>,
}

/// A connection that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stalled {
    local: (Ipv6Addr, u16),
    remote: (Ipv6Addr, u16),
    timeouts: u32,
}

/// Who moved since the last look.
#[derive(Debug, Default)]
struct Moved {
    who: Mutex<Who>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Who {
    /// This host: that concerns all its connections.
    this_host: bool,
    /// Correspondents, by the addresses that programs use.
    correspondents: HashSet<Ipv6Addr>,
}

impl Search {
    /// Looks in this network namespace when it is told to.
    pub(super) fn start(handles: HandlePrefix) -> Self {
        let moved = Arc::new(Moved::default());
        let (find, found) = mpsc::channel(WAITING);
        let task = tokio::spawn(search(Arc::clone(&moved), handles, find));
        Self {
            moved,
            found,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// There may be a way again to this correspondent, or to all.
    pub(super) fn look(&self, handles: HandlePrefix, to: Option<Handle>) {
        let mut who = self
            .moved
            .who
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match to {
            Some(handle) => drop(who.correspondents.insert(handles.address(handle))),
            None => who.this_host = true,
        }
        drop(who);
        self.moved.news.notify_one();
    }
}

impl Stalled {
    /// What the connection is told, and how often.
    pub(super) fn message(&self) -> (Packet, u32) {
        let packet = build::no_route(self.local, self.remote);
        (packet, self.timeouts.min(MOST_TIMEOUTS))
    }
}

impl Who {
    /// The connection of a socket, if it waits and one of its ends has moved.
    fn stalled(&self, socket: &Socket, handles: HandlePrefix) -> Option<Stalled> {
        let &Socket {
            local,
            remote,
            timeouts,
            ..
        } = socket;
        let between_handles = [local, remote]
            .iter()
            .all(|end| handles.handle(end.0).is_some());
        let moved = self.this_host || self.correspondents.contains(&remote.0);
        (timeouts > 0 && between_handles && moved).then_some(Stalled {
            local,
            remote,
            timeouts,
        })
    }

    fn look(&self, handles: HandlePrefix) -> io::Result<Vec<Stalled>> {
        let sockets = Transport::Tcp.sockets()?;
        let stalled = sockets.map(|socket| Ok(self.stalled(&socket?, handles)));
        stalled.filter_map(Result::transpose).collect()
    }
}

async fn search(moved: Arc<Moved>, handles: HandlePrefix, find: mpsc::Sender<Stalled>) {
    loop {
        moved.news.notified().await;
        let who = std::mem::take(&mut *moved.who.lock().unwrap_or_else(PoisonError::into_inner));
        match tokio::task::spawn_blocking(move || who.look(handles)).await {
            Ok(Ok(stalled)) => {
                for connection in stalled {
                    if find.send(connection).await.is_err() {
                        return;
                    }
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "cannot list TCP connections"),
            // The runtime ends, or a panic was reported by itself.
            Err(_) => return,
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "fd69:6c6e:7000:2627:214:4fff:fe20:ee64";
    const PEER: &str = "fd69:6c6e:7000:2627:216:6fff:fe22:ee66";
    const OTHER: &str = "fd69:6c6e:7000:2627:218:8fff:fe24:ee68";

    fn socket(remote: &str, timeouts: u32) -> Socket {
        Socket {
            local: (OWN.parse().unwrap(), 1000),
            remote: (remote.parse().unwrap(), 22),
            state: "established",
            timeouts,
        }
    }

    #[test]
    fn finds_those_that_wait_for_who_moved() {
        let found = |who: &Who, remote, timeouts| {
            let stalled = who.stalled(&socket(remote, timeouts), HandlePrefix::DEFAULT);
            stalled.is_some()
        };
        let this_host = Who {
            this_host: true,
            ..Who::default()
        };
        assert!(found(&this_host, PEER, 1) && found(&this_host, OTHER, 3));
        assert!(!found(&this_host, PEER, 0), "it does not wait");
        assert!(!found(&this_host, "2001:db8::1", 1), "not over ILNP");
        let peer = Who {
            correspondents: [PEER.parse().unwrap()].into(),
            ..Who::default()
        };
        assert!(found(&peer, PEER, 1) && !found(&peer, OTHER, 1));
        assert!(!found(&Who::default(), PEER, 1));
    }

    #[test]
    fn a_connection_is_told_as_often_as_linux_retransmits() {
        let stalled = |timeouts| Stalled {
            local: (OWN.parse().unwrap(), 1000),
            remote: (PEER.parse().unwrap(), 22),
            timeouts,
        };
        assert_eq!(stalled(3).message().1, 3);
        assert_eq!(stalled(u32::MAX).message().1, 15);
        // struct stalled in bpf/lib/stalled.h
        assert_eq!(stalled(1).message().0.octets.len(), 96);
    }
}
