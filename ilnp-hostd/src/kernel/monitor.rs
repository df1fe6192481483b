//! Tells of changes.

use std::collections::VecDeque;
use std::{fmt, io};

use bytes::BytesMut;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket as _, AsyncSocketExt as _, SocketAddr, TokioSocket};

use super::{KernelError, KernelEvent, Netlink};

/// `RTNLGRP_LINK`, `RTNLGRP_NEIGH` and `RTNLGRP_IPV6_IFADDR`. Routes are left out: this daemon
/// needs no more of them than the snapshot says, and a router has a million.
const GROUPS: [u32; 3] = [1, 3, 9];

/// How many octets of events the kernel is asked to keep for us; it may grant less.
const BUFFER: i32 = 1 << 20;

/// More messages than the buffer holds.
const MOST_QUEUED: usize = 1 << 16;

/// How many messages are read at once in the search for an event.
const MOST_AT_ONCE: usize = 64;

/// Larger than any message that the kernel sends at once.
const MESSAGE: usize = 64 * 1024;

/// Listens to the kernel. The kernel's socket buffer is the queue: when it overflows, the next event
/// is a [`KernelEvent::Snapshot`] of everything.
pub struct Monitor {
    socket: TokioSocket,
    pending: VecDeque<KernelEvent>,
    buffer: BytesMut,
    /// Events were lost, or none was read yet.
    behind: bool,
}

impl Monitor {
    /// Starts listening. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`KernelError::Socket`].
    pub fn open() -> Result<Self, KernelError> {
        Self::subscribe().map_err(|source| KernelError::Socket {
            what: "a netlink socket for events",
            source,
        })
    }

    /// Forgets the events from before the loss: read after the snapshot, they would undo it.
    fn discard_queued(&mut self) {
        self.pending.clear();
        // Bounded, for the case that they come as fast as they are read.
        for _ in 0..MOST_QUEUED {
            self.buffer.clear();
            let received = self
                .socket
                .socket_ref()
                .recv(&mut self.buffer, libc::MSG_DONTWAIT);
            if received.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                return;
            }
        }
    }

    fn subscribe() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        socket.socket_mut().bind(&SocketAddr::new(0, 0))?;
        socket.socket_mut().set_rx_buf_sz(BUFFER)?;
        for group in GROUPS {
            socket.socket_mut().add_membership(group)?;
        }
        Ok(Self {
            socket,
            pending: VecDeque::new(),
            buffer: BytesMut::with_capacity(MESSAGE),
            behind: true,
        })
    }

    /// Whether the next event is a snapshot, which takes a while to read. Waiting for it anew starts
    /// from the beginning.
    pub const fn is_behind(&self) -> bool {
        self.behind
    }

    /// Waits for the next event. The first one is a snapshot.
    ///
    /// Losing the future loses no event.
    ///
    /// # Errors
    /// [`KernelError`] when the socket fails or the snapshot cannot be had.
    pub async fn next(&mut self, netlink: &Netlink) -> Result<KernelEvent, KernelError> {
        loop {
            if self.behind {
                self.discard_queued();
                let snapshot = netlink.snapshot().await?;
                self.behind = false;
                return Ok(KernelEvent::Snapshot(snapshot));
            }
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            self.buffer.clear();
            let received = self.socket.recv(&mut self.buffer).await;
            self.take(received)?;
        }
    }

    /// The next event if it is there already. A snapshot never is, nor what lies behind very many
    /// messages that are no events.
    ///
    /// # Errors
    /// [`KernelError::Socket`].
    pub fn try_next(&mut self) -> Result<Option<KernelEvent>, KernelError> {
        for _ in 0..MOST_AT_ONCE {
            if self.behind {
                break;
            }
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            self.buffer.clear();
            let socket = self.socket.socket_ref();
            let received = socket.recv(&mut self.buffer, libc::MSG_DONTWAIT);
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                received => self.take(received.map(|_| ()))?,
            }
        }
        Ok(None)
    }

    /// Takes what the socket gave.
    fn take(&mut self, received: io::Result<()>) -> Result<(), KernelError> {
        match received {
            Ok(()) => parse(&self.buffer, &mut self.pending),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                tracing::warn!("the kernel had more events than we read: reading everything anew");
                self.behind = true;
            }
            Err(source) => {
                return Err(KernelError::Socket {
                    what: "the stream of kernel events",
                    source,
                });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("pending", &self.pending)
            .field("behind", &self.behind)
            .finish_non_exhaustive()
    }
}

/// Reads the events in what the kernel sent at once. A message that cannot be read is left out.
fn parse(mut octets: &[u8], events: &mut VecDeque<KernelEvent>) {
    while !octets.is_empty() {
        match NetlinkMessage::<RouteNetlinkMessage>::deserialize(octets) {
            Ok(message) => {
                if let NetlinkPayload::InnerMessage(inner) = message.payload {
                    events.extend(KernelEvent::from_message(inner));
                }
            }
            Err(error) => tracing::debug!(%error, "a kernel event that cannot be read"),
        }
        // The length stands first; messages are aligned to four octets.
        let length = octets
            .first_chunk()
            .map_or(0, |length| u32::from_ne_bytes(*length));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        octets = match length.checked_next_multiple_of(4) {
            Some(length) if length >= 16 => octets.get(length..).unwrap_or_default(),
            _ => &[],
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_announcement_to_the_neighbours() {
        let mut events = VecDeque::new();
        parse(&announcement(7), &mut events);
        let event = events.pop_front().unwrap();
        let KernelEvent::Link {
            link,
            peers_notified,
        } = event
        else {
            panic!("{event:?}");
        };
        assert!(peers_notified);
        assert_eq!((link.index, link.carrier), (7, true));
    }

    #[test]
    fn leaves_out_what_it_cannot_read() {
        let mut events = VecDeque::new();
        let good = announcement(7);
        for cut in 0..good.len() {
            parse(&good[..cut], &mut events);
        }
        assert!(events.is_empty());
        let mut broken = good.clone();
        broken[0] = 0;
        parse(&broken, &mut events);
        assert!(events.is_empty());
        parse(&[good.clone(), good].concat(), &mut events);
        assert_eq!(events.len(), 2);
    }

    /// `RTM_NEWLINK` of an Ethernet interface that is up, with `IFLA_MTU` and
    /// `IFLA_EVENT_NOTIFY_PEERS`.
    fn announcement(index: u32) -> Vec<u8> {
        let mut message = Vec::new();
        message.extend(48u32.to_ne_bytes());
        message.extend(libc::RTM_NEWLINK.to_ne_bytes());
        message.extend([0; 10]);
        message.extend([0, 0]);
        message.extend(libc::ARPHRD_ETHER.to_ne_bytes());
        message.extend(index.to_ne_bytes());
        message.extend((libc::IFF_UP as u32 | libc::IFF_LOWER_UP as u32).to_ne_bytes());
        message.extend([0; 4]);
        for (kind, value) in [(4u16, 1500u32), (44, 4)] {
            message.extend(8u16.to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(value.to_ne_bytes());
        }
        message
    }
}
