//! Ties hypervisors on Unix sockets to copy streams.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::copy::{self, CopyStream, Octets, Reader, Writer};
use super::counters::Count;
use super::frame::HEADER;
use super::{ChannelError, Connection, CopyError, Counters, Limiter, Opening};

/// How long a hypervisor may take to read what had arrived before the connection was lost.
const LAST_OCTETS: Duration = Duration::from_secs(10);

/// How long after a stream is cut it may become known that the whole connection is gone.
const REASON: Duration = Duration::from_millis(100);

/// Carries octets between hypervisors and copy streams, at the pace of a [`Limiter`], and counts
/// them. One for each relocation; copies of it are the same.
///
/// Each direction ends for itself: when a hypervisor stops writing, the other one reads to the last
/// octet and then sees the end. When anything else happens at one side, the other hypervisor's
/// connection is closed and both sides are told.
#[derive(Clone, Debug, Default)]
pub struct Relay {
    limiter: Limiter,
    counters: Counters,
}

impl Relay {
    /// A relay at the pace of `limiter` that counts in `counters`.
    #[must_use]
    pub fn new(limiter: Limiter, counters: Counters) -> Self {
        Self { limiter, counters }
    }

    /// The side that a copy comes from: takes every connection that a hypervisor makes, and opens a
    /// copy stream for it. Goes on until one of them fails.
    pub async fn serve(
        &self,
        listener: &UnixListener,
        connection: &Connection,
        opening: &Opening,
    ) -> RelayError {
        let mut copies = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let socket = match accepted {
                        Ok((socket, _)) => socket,
                        Err(source) => return RelayError::Hypervisor(source),
                    };
                    let (relay, connection, opening) =
                        (self.clone(), connection.clone(), opening.clone());
                    copies.spawn(async move {
                        let copy = connection.open(opening).await?;
                        relay.join(socket, copy).await
                    });
                }
                Some(ended) = copies.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return error,
                    Err(panic) => return RelayError::Hypervisor(io::Error::other(panic)),
                },
            }
        }
    }

    /// The side that a copy goes to: connects to the hypervisor that listens on `path`, and relays
    /// until both directions have ended.
    ///
    /// # Errors
    /// When nobody listens there, and as for [`join`](Self::join).
    pub async fn connect(&self, path: &Path, copy: CopyStream) -> Result<(), RelayError> {
        match UnixStream::connect(path).await {
            Ok(socket) => self.join(socket, copy).await,
            Err(source) => {
                copy.refuse(&format!("the hypervisor does not take it: {source}"))
                    .await;
                Err(RelayError::Hypervisor(source))
            }
        }
    }

    /// Relays between a hypervisor's connection and a copy stream until both directions have ended.
    ///
    /// # Errors
    /// When either direction ends in any other way. The other site has been told.
    ///
    /// # Cancellation
    /// Dropping the future cuts the stream: the other site sees [`CopyError::Cut`].
    pub async fn join(&self, socket: UnixStream, copy: CopyStream) -> Result<(), RelayError> {
        let count = self.counters.connection(&copy.opening.stream);
        let CopyStream {
            reader,
            mut writer,
            mut ended,
            permit,
            ..
        } = copy;
        let (from, to) = socket.into_split();
        let result = {
            let lost = async {
                // The sender says why before it goes.
                let _ = ended.wait_for(Option::is_some).await;
            };
            let outward = self.outward(from, &mut writer, &count, lost);
            both(outward, inward(reader, to, &count)).await
        };
        match &result {
            Ok(()) => writer.close().await,
            Err(RelayError::Hypervisor(reason)) => {
                writer
                    .give_up(&format!("the hypervisor's connection: {reason}"))
                    .await;
            }
            Err(RelayError::Copy(_) | RelayError::Channel(_)) => {}
        }
        drop(permit);
        if let Err(RelayError::Copy(CopyError::Cut)) = result {
            let lost = tokio::time::timeout(REASON, ended.wait_for(Option::is_some)).await;
            if let Ok(Ok(reason)) = lost
                && let Some(reason) = reason.clone()
            {
                return Err(reason.into());
            }
        }
        result
    }

    /// From the hypervisor to the other site.
    async fn outward(
        &self,
        mut from: OwnedReadHalf,
        writer: &mut Writer<WriteHalf<Octets>>,
        count: &Count,
        lost: impl Future<Output = ()>,
    ) -> Result<(), RelayError> {
        tokio::pin!(lost);
        let mut record = vec![0; HEADER + copy::LARGEST];
        loop {
            let octets = tokio::select! {
                read = from.read(&mut record[HEADER..]) => read.map_err(RelayError::Hypervisor)?,
                () = &mut lost => return Err(CopyError::Cut.into()),
            };
            if octets == 0 {
                return Ok(writer.end().await?);
            }
            let sending = async {
                self.limiter.take(octets).await;
                writer.data(&mut record[..HEADER + octets]).await
            };
            tokio::select! {
                sent = sending => sent?,
                () = &mut lost => return Err(CopyError::Cut.into()),
            }
            count.sent(octets);
        }
    }
}

type Inward = Reader<ReadHalf<Octets>>;

/// From the other site to the hypervisor.
async fn inward(
    mut reader: Inward,
    mut to: OwnedWriteHalf,
    count: &Arc<Count>,
) -> Result<Inward, RelayError> {
    while let Some(octets) = reader.piece().await? {
        let length = octets.len();
        to.write_all(octets).await.map_err(RelayError::Hypervisor)?;
        reader.consume(length);
        count.received(length);
    }
    match to.shutdown().await {
        // It needs no end who has gone already.
        Err(error) if error.kind() != io::ErrorKind::NotConnected => {
            Err(RelayError::Hypervisor(error))
        }
        _ => Ok(reader),
    }
}

/// Both directions, until both have ended or one has failed.
async fn both(
    outward: impl Future<Output = Result<(), RelayError>>,
    inward: impl Future<Output = Result<Inward, RelayError>>,
) -> Result<(), RelayError> {
    tokio::pin!(outward, inward);
    tokio::select! {
        result = &mut outward => match result {
            Ok(()) => inward.await.map(|_| ()),
            Err(error @ RelayError::Copy(_)) => {
                // What has arrived is the hypervisor's all the same, and may say why.
                match tokio::time::timeout(LAST_OCTETS, inward).await {
                    Ok(Err(reason)) => Err(reason),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        },
        result = &mut inward => {
            let last_words = result?.after_the_end();
            tokio::pin!(last_words);
            tokio::select! {
                // The other side lets go as soon as it has read the end of this direction.
                biased;
                result = outward => match result {
                    Err(error @ RelayError::Copy(_)) => {
                        let said = tokio::time::timeout(REASON, last_words).await;
                        Err(said.map_or(error, RelayError::Copy))
                    }
                    result => result,
                },
                error = &mut last_words => Err(error.into()),
            }
        }
    }
}

/// Why a relay ended before both directions had.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The hypervisor at this site is not there, or its connection broke.
    #[error("the hypervisor's connection: {0}")]
    Hypervisor(#[source] io::Error),
    /// The other site.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The connection between the sites.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}
