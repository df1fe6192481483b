//! One question to one server: UDP, and TCP when the answer does not fit (RFC 7766).
//!
//! Each try has a fresh socket, port and identifier, so that an answer cannot be guessed
//! (RFC 5452). Tries again, and other servers, are for the caller.

mod transport;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom as _, SystemRandom};

use self::transport::{over_tcp, over_udp};
use crate::key::TsigKey;
use crate::message::{Message, MessageError};
use crate::raw::is_truncated;
use crate::tsig::{AnswerError, sign_request};

/// The longest request that goes by UDP: no fragments on any path (RFC 9715 §3).
const MAX_UDP_REQUEST: usize = 1232;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The server or the way to it refuses.
    #[error("no answer from {server}: {source}")]
    Unreachable {
        /// The server.
        server: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// Nothing came in time.
    #[error("no answer from {server} within {limit:?}")]
    Timeout {
        /// The server.
        server: SocketAddr,
        /// How long was waited.
        limit: Duration,
    },
    /// The answer's signature does not hold, or it tells that the request's did not.
    #[error("{server}: {source}")]
    Signature {
        /// The server.
        server: SocketAddr,
        /// What is wrong.
        source: AnswerError,
    },
    /// The answer cannot be read.
    #[error("{server} sent an answer that cannot be read: {source}")]
    Malformed {
        /// The server.
        server: SocketAddr,
        /// What is wrong.
        source: MessageError,
    },
}

/// Where a request goes, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The server.
    pub server: SocketAddr,
    /// An address of this host; `None` for one that the kernel chooses.
    pub from: Option<Ipv6Addr>,
}

impl From<SocketAddr> for Way {
    fn from(server: SocketAddr) -> Self {
        Self { server, from: None }
    }
}

/// An identifier that nobody can guess.
pub fn fresh_id() -> u16 {
    let mut id = [0; 2];
    // The kernel's random source does not fail once it has begun; and the port is random, too.
    let _filled = SystemRandom::new().fill(&mut id);
    u16::from_be_bytes(id)
}

/// Seconds since 1970, as TSIG counts time.
pub fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Sends octets as they are, with the identifier that they have, and gives the octets of the
/// answer. An answer has the same identifier, opcode and question.
///
/// # Errors
/// [`ExchangeError::Unreachable`], [`ExchangeError::Timeout`] after `limit` with TCP in it.
pub async fn exchange(
    server: SocketAddr,
    request: &[u8],
    limit: Duration,
) -> Result<Vec<u8>, ExchangeError> {
    let anything = |_answer: &[u8]| Ok(());
    both(server.into(), limit, || (request.to_vec(), anything)).await
}

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// Passes a request on over one transport with a fresh identifier, and gives the octets of the
/// answer with the identifier that the request had. Waits however long it takes.
///
/// # Errors
/// When the server or the way to it refuses.
pub(crate) async fn pass_on(
    server: SocketAddr,
    request: &[u8],
    transport: Transport,
) -> io::Result<Vec<u8>> {
    let id = fresh_id().to_be_bytes();
    let renamed = [&id, request.get(2..).unwrap_or_default()].concat();
    let (anything, mut none) = (|_answer: &[u8]| Ok(()), None);
    let mut answer = match transport {
        Transport::Udp => over_udp(server.into(), &renamed, anything, &mut none).await?,
        Transport::Tcp => over_tcp(server.into(), &renamed, anything, &mut none).await?,
    };
    answer[..2].copy_from_slice(&request[..2]);
    Ok(answer)
}

/// Sends a request with a fresh identifier and a fresh signature, and gives the answer, whose
/// signature is right.
///
/// # Errors
/// [`ExchangeError`] after `limit` with TCP in it. Datagrams with a wrong signature do not end the
/// waiting, since anybody may send them; the error tells of the last.
pub async fn exchange_signed(
    way: impl Into<Way>,
    request: &Message,
    key: &Arc<TsigKey>,
    limit: Duration,
) -> Result<Message, ExchangeError> {
    let way = way.into();
    let prepare = || {
        let request = Message {
            id: fresh_id(),
            ..request.clone()
        };
        let mut wire = request.to_wire(usize::from(u16::MAX));
        let mut verifier = sign_request(&mut wire, key, unix_now());
        let accept = move |answer: &[u8]| verifier.verify(answer, unix_now());
        (wire, accept)
    };
    let answer = both(way, limit, prepare).await?;
    let server = way.server;
    Message::from_wire(&answer).map_err(|source| ExchangeError::Malformed { server, source })
}

/// Tries UDP, and TCP if need be, each with a request of its own and the check of its answer.
async fn both<A>(
    way: Way,
    limit: Duration,
    mut prepare: impl FnMut() -> (Vec<u8>, A),
) -> Result<Vec<u8>, ExchangeError>
where
    A: FnMut(&[u8]) -> Result<(), AnswerError>,
{
    let mut refused = None;
    let tries = async {
        let (request, accept) = prepare();
        if request.len() <= MAX_UDP_REQUEST {
            let answer = over_udp(way, &request, accept, &mut refused).await?;
            if !is_truncated(&answer) {
                return Ok(answer);
            }
        }
        let (request, accept) = prepare();
        over_tcp(way, &request, accept, &mut refused).await
    };
    let result = tokio::time::timeout(limit, tries).await;
    let server = way.server;
    match (result, refused) {
        (Ok(Ok(answer)), _) => Ok(answer),
        (_, Some(source)) => Err(ExchangeError::Signature { server, source }),
        (Ok(Err(source)), None) => Err(ExchangeError::Unreachable { server, source }),
        (Err(_elapsed), None) => Err(ExchangeError::Timeout { server, limit }),
    }
}
