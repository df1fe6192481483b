//! The handle of a connection.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::copy::CopyStream;
use super::driver::{self, Ends, Side};
use super::opening::Kind;
use super::socket::{self, Wire};
use super::{ChannelError, LARGEST_ORDER, MOST_COPIES, MOST_STREAMS, Opening, frame, orders};
use crate::site::Site;
use crate::tls::{Chain, Identity, Secured};

/// A connection with the agent of another site, which has proved that it is this site. Copies are
/// handles of the same connection; it closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Connection(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    peer: Site,
    orders: mpsc::Sender<Vec<u8>>,
    received: Mutex<mpsc::Receiver<Vec<u8>>>,
    copies: Mutex<mpsc::Receiver<CopyStream>>,
    opens: mpsc::Sender<oneshot::Sender<super::copy::Octets>>,
    permits: Arc<Semaphore>,
    ended: watch::Receiver<Option<ChannelError>>,
    /// TCP below it, as long as the task that uses it runs: nobody else keeps it open.
    socket: Weak<OwnedFd>,
    closing: CancellationToken,
    _close: DropGuard,
}

impl Connection {
    pub(super) fn start(
        stream: Secured<Wire>,
        side: Side,
        peer: Site,
        chain: Chain,
        identity: Identity,
        permit: Option<OwnedSemaphorePermit>,
    ) -> io::Result<Self> {
        let socket = Arc::new(stream.get_ref().0.get_ref().as_fd().try_clone_to_owned()?);
        let handle = Arc::downgrade(&socket);
        let (orders, orders_end) = mpsc::channel(orders::QUEUE);
        let (received_end, received) = mpsc::channel(orders::QUEUE);
        let (copies_end, copies) = mpsc::channel(MOST_STREAMS);
        let (opens, opens_end) = mpsc::channel(1);
        let (ended_end, ended) = watch::channel(None);
        let closing = CancellationToken::new();
        let ends = Ends {
            peer: peer.clone(),
            orders: orders_end,
            received: received_end,
            copies: copies_end,
            opens: opens_end,
            ended: ended_end,
            closing: closing.clone(),
        };
        tokio::spawn(async move {
            driver::run(stream, side, identity, chain, ends).await;
            drop((socket, permit));
        });
        Ok(Self(Arc::new(Handle {
            peer,
            orders,
            received: Mutex::new(received),
            copies: Mutex::new(copies),
            opens,
            permits: Arc::new(Semaphore::new(MOST_COPIES)),
            ended,
            socket: handle,
            _close: closing.clone().drop_guard(),
            closing,
        })))
    }

    /// Lets TCP space evenly what goes out by this connection, for copies that together keep to
    /// `rate` octets a second; `None` for as TCP likes. A [`Limiter`](super::Limiter) lets whole
    /// pieces pass: without this each would go at the speed of the network card, and who shares a
    /// slower link with it would wait in the queue behind it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn pace(&self, rate: Option<u64>) -> io::Result<()> {
        match self.0.socket.upgrade() {
            // A little more than the copies: nothing may pile up before TCP.
            Some(socket) => socket::pace(&*socket, rate.map(|rate| rate.saturating_add(rate / 20))),
            None => Ok(()),
        }
    }

    /// Who is at the other side.
    #[must_use]
    pub fn peer(&self) -> &Site {
        &self.0.peer
    }

    /// Sends an order. When this returns, it is on its way; only an answer tells that it arrived.
    ///
    /// # Errors
    /// When it is too large, and when the connection is gone.
    pub async fn send(&self, order: &impl Serialize) -> Result<(), ChannelError> {
        let octets = serde_json::to_vec(order).map_err(|reason| ChannelError::Unreadable {
            peer: self.0.peer.clone(),
            reason: reason.to_string(),
        })?;
        if octets.len() > LARGEST_ORDER {
            return Err(ChannelError::TooLarge(octets.len()));
        }
        match self.0.orders.send(octets).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.closed().await),
        }
    }

    /// Waits for the next order of the other side. Orders that had arrived before the connection
    /// was lost come first.
    ///
    /// # Errors
    /// [`ChannelError::Unreadable`] for an order that is none, after which the next one can be
    /// waited for; any other when the connection is gone.
    ///
    /// # Cancellation
    /// Safe: no order is lost.
    pub async fn receive<T: DeserializeOwned>(&self) -> Result<T, ChannelError> {
        let Some(octets) = self.0.received.lock().await.recv().await else {
            return Err(self.closed().await);
        };
        serde_json::from_slice(&octets).map_err(|reason| ChannelError::Unreadable {
            peer: self.0.peer.clone(),
            reason: reason.to_string(),
        })
    }

    /// Opens a copy stream.
    ///
    /// # Errors
    /// When [`MOST_COPIES`] are open, and when the connection is gone.
    pub async fn open(&self, opening: Opening) -> Result<CopyStream, ChannelError> {
        let permit = self.0.permits.clone().try_acquire_owned();
        let permit = permit.map_err(|_| ChannelError::TooManyCopies(self.0.peer.clone()))?;
        let kind =
            Kind::Copy(opening.clone())
                .to_octets()
                .map_err(|reason| ChannelError::Unreadable {
                    peer: self.0.peer.clone(),
                    reason,
                })?;
        let (reply, stream) = oneshot::channel();
        if self.0.opens.send(reply).await.is_err() {
            return Err(self.closed().await);
        }
        let Ok(mut octets) = stream.await else {
            return Err(self.closed().await);
        };
        if frame::write(&mut octets, &kind).await.is_err() {
            return Err(self.closed().await);
        }
        Ok(CopyStream::new(
            opening,
            octets,
            self.0.ended.clone(),
            Some(permit),
        ))
    }

    /// Waits for a copy stream that the other side opens. Nothing is known of it but what it claims
    /// to belong to.
    ///
    /// # Errors
    /// When the connection is gone.
    ///
    /// # Cancellation
    /// Safe: no stream is lost.
    pub async fn accept(&self) -> Result<CopyStream, ChannelError> {
        match self.0.copies.lock().await.recv().await {
            Some(copy) => Ok(copy),
            None => Err(self.closed().await),
        }
    }

    /// Waits until the connection is gone, and says why.
    pub async fn closed(&self) -> ChannelError {
        let mut ended = self.0.ended.clone();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(reason)) => reason.clone(),
            // The task has gone without a word: the program ends.
            _ => ChannelError::Closed(self.0.peer.clone()),
        }
    }

    /// Sends the orders that wait, ends copies, and closes the connection.
    pub async fn close(&self) {
        self.0.closing.cancel();
        // The task that has the other end goes when all is done.
        let mut ended = self.0.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}
