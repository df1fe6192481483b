//! The orders of each direction: frames of JSON, and an empty one now and then.

use std::io;

use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::copy::Octets;
use super::opening::Kind;
use super::silence::listen;
use super::{ChannelError, HEARTBEAT, LARGEST_ORDER, SILENCE, frame};
use crate::site::Site;

/// How many orders may wait to be sent, or to be read.
pub(super) const QUEUE: usize = 16;

/// Sends what is queued, until the connection is to be closed and the queue is empty.
pub(super) async fn write(
    mut output: Octets,
    mut queue: mpsc::Receiver<Vec<u8>>,
    closing: CancellationToken,
) -> io::Result<()> {
    let opening = Kind::Orders {}.to_octets().map_err(io::Error::other)?;
    frame::write(&mut output, &opening).await?;
    // So that the other side hears at once.
    frame::write(&mut output, &[]).await?;
    loop {
        tokio::select! {
            order = queue.recv() => match order {
                Some(order) => frame::write(&mut output, &order).await?,
                None => return output.shutdown().await,
            },
            () = tokio::time::sleep(HEARTBEAT) => frame::write(&mut output, &[]).await?,
            () = closing.cancelled(), if !queue.is_closed() => queue.close(),
        }
    }
}

/// Reads the other side's orders into `queue`, to the last one that has arrived, and says why there
/// are no more.
pub(super) async fn read(input: Octets, peer: &Site, queue: mpsc::Sender<Vec<u8>>) -> ChannelError {
    let mut input = BufReader::new(input);
    let peer = peer.clone();
    loop {
        match listen(frame::read(&mut input, LARGEST_ORDER)).await {
            Some(Ok(Some(order))) if order.is_empty() => {}
            Some(Ok(Some(order))) => {
                if queue.send(order).await.is_err() {
                    return ChannelError::Closed(peer);
                }
            }
            Some(Ok(None)) => return ChannelError::ClosedByPeer(peer),
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                let reason = format!("an order: {error}");
                return ChannelError::Protocol { peer, reason };
            }
            Some(Err(error)) => {
                let reason = error.to_string();
                return ChannelError::Lost { peer, reason };
            }
            None => {
                let reason = format!("nothing was heard for {} s", SILENCE.as_secs());
                return ChannelError::Lost { peer, reason };
            }
        }
    }
}
