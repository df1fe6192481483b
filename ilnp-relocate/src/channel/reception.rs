//! Finds out what a stream is that the other side has opened.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};

use super::copy::{CopyStream, Octets};
use super::opening::{self, Kind};
use super::silence::listen;
use super::{ChannelError, frame, orders};
use crate::site::Site;

/// Where streams go that the other side opens.
pub(super) struct Reception {
    peer: Site,
    /// Taken by the stream of orders: there is one.
    received: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
    copies: mpsc::Sender<CopyStream>,
    ended: watch::Receiver<Option<ChannelError>>,
    /// Told what ends the connection.
    fail: mpsc::Sender<ChannelError>,
}

impl Reception {
    pub(super) fn new(
        peer: Site,
        received: mpsc::Sender<Vec<u8>>,
        copies: mpsc::Sender<CopyStream>,
        ended: watch::Receiver<Option<ChannelError>>,
        fail: mpsc::Sender<ChannelError>,
    ) -> Arc<Self> {
        let received = Mutex::new(Some(received));
        Arc::new(Self {
            peer,
            received,
            copies,
            ended,
            fail,
        })
    }

    /// Reads what the stream begins with, and goes on with it.
    pub(super) async fn take(self: Arc<Self>, mut octets: Octets) {
        let failure = match listen(frame::read(&mut octets, opening::LARGEST)).await {
            Some(Ok(Some(opening))) => match Kind::parse(&opening) {
                Ok(Kind::Orders {}) => self.orders(octets).await,
                Ok(Kind::Copy(opening)) => {
                    let copy = CopyStream::new(opening, octets, self.ended.clone(), None);
                    // There is room for as many as there may be streams.
                    let _ = self.copies.try_send(copy);
                    return;
                }
                Err(reason) => self.breach(reason),
            },
            // It was given up before it began; nothing depends on it.
            Some(Ok(None)) => return,
            Some(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => return,
            Some(Err(error)) => self.breach(format!("an opening: {error}")),
            None => self.breach("a stream without an opening".to_owned()),
        };
        // One failure is enough.
        let _ = self.fail.try_send(failure);
    }

    /// Reads orders to their end, and says what the end means.
    async fn orders(&self, octets: Octets) -> ChannelError {
        let received = self
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match received {
            Some(received) => orders::read(octets, &self.peer, received).await,
            None => self.breach("two streams of orders".to_owned()),
        }
    }

    fn breach(&self, reason: String) -> ChannelError {
        let peer = self.peer.clone();
        ChannelError::Protocol { peer, reason }
    }
}
