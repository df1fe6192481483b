//! Takes connections of other agents.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::{ChannelError, Connection, handshake, socket};
use crate::site::Site;
use crate::tls::Identity;

/// Handshakes that go on at once. Beyond it the oldest one ends: who connects and says nothing
/// keeps nobody out.
const MOST_HANDSHAKES: usize = 256;
/// Connections of one site at once.
const MOST_OF_A_SITE: usize = 16;
/// Connections that wait to be accepted.
const QUEUE: usize = 16;
/// The pause after the system could not take a connection, for want of memory or descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens for other agents.
#[derive(Debug)]
pub struct Listener {
    addresses: Vec<SocketAddr>,
    accepted: Mutex<mpsc::Receiver<Result<Connection, ChannelError>>>,
    _tasks: JoinSet<()>,
}

/// Who may connect, and how often yet.
type Peers = BTreeMap<Site, Arc<Semaphore>>;

impl Listener {
    /// Listens on every one of `addresses`, for agents of `peers` and for nobody else.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn bind(
        addresses: &[SocketAddr],
        identity: &Identity,
        peers: impl IntoIterator<Item = Site>,
    ) -> Result<Self, ChannelError> {
        let peers = peers
            .into_iter()
            .map(|site| (site, Arc::new(Semaphore::new(MOST_OF_A_SITE))));
        let peers: Arc<Peers> = Arc::new(peers.collect());
        let (results, accepted) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        let mut bound = Vec::new();
        for &address in addresses {
            let failed = |error: std::io::Error| ChannelError::Listen {
                address,
                reason: error.to_string(),
            };
            let listener = socket::listen(address).map_err(failed)?;
            bound.push(listener.local_addr().map_err(failed)?);
            tasks.spawn(listen(
                listener,
                identity.clone(),
                peers.clone(),
                results.clone(),
            ));
        }
        Ok(Self {
            addresses: bound,
            accepted: Mutex::new(accepted),
            _tasks: tasks,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits for the next agent that has proved who it is.
    ///
    /// # Errors
    /// Each one is somebody who was refused: the next one can be waited for.
    ///
    /// # Cancellation
    /// Safe: no connection is lost.
    pub async fn accept(&self) -> Result<Connection, ChannelError> {
        match self.accepted.lock().await.recv().await {
            Some(result) => result,
            // The tasks hold the other end as long as this lives.
            None => std::future::pending().await,
        }
    }
}

async fn listen(
    listener: TcpListener,
    identity: Identity,
    peers: Arc<Peers>,
    results: mpsc::Sender<Result<Connection, ChannelError>>,
) {
    let mut handshakes = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
            Some(_) = handshakes.join_next() => {
                oldest_first.retain(|handshake| !handshake.is_finished());
                continue;
            }
        };
        if oldest_first.len() >= MOST_HANDSHAKES
            && let Some(oldest) = oldest_first.pop_front()
        {
            oldest.abort();
        }
        let (identity, peers, results) = (identity.clone(), peers.clone(), results.clone());
        let handshake = handshakes.spawn(async move {
            let result = take(stream, address, &identity, &peers).await;
            // Nobody listens any more when this fails.
            let _ = results.send(result).await;
        });
        oldest_first.push_back(handshake);
    }
}

async fn take(
    stream: TcpStream,
    address: SocketAddr,
    identity: &Identity,
    peers: &Peers,
) -> Result<Connection, ChannelError> {
    let admit = |site: &Site| -> Result<OwnedSemaphorePermit, String> {
        let Some(places) = peers.get(site) else {
            return Err(format!("{site} is no peer of site {}", identity.site()));
        };
        let full = |_| format!("{site} has {MOST_OF_A_SITE} connections already");
        places.clone().try_acquire_owned().map_err(full)
    };
    handshake::accept(socket::wire(stream), address, identity, admit).await
}
