//! The one connection between two agents.
//!
//! ```text
//!                    +-- orders of this agent ----------> length-prefixed JSON
//!   TCP - TLS - yamux+-- orders of the other agent <-----
//!                    +-- copies: one stream for each connection of a hypervisor, either way
//! ```
//!
//! After TLS both sides say hello: protocol version and site. Then yamux carries streams;
//! each begins with an [opening](Opening) that says what it is.
//!
//! * **Orders** ([`Connection::send`], [`Connection::receive`]) are JSON of at most [`LARGEST_ORDER`]
//!   octets, in order, each way on a stream of its own. An empty one a second shows that the other
//!   side is alive.
//! * **Copies** ([`Connection::open`], [`Connection::accept`]) carry octets both ways in records, so
//!   that an end can be told from a cut, and either side can say why it gives up. [`Relay`] ties
//!   them to hypervisors on Unix sockets, at the pace of a [`Limiter`].
//!
//! # Bounds
//! What one connection holds is at most [`RECEIVE_WINDOW`] octets received and not yet read, and some
//! tens of KiB a stream on the way out. A stream that nobody reads stops its sender, and no other
//! stream. A link that is dead is noticed within [`SILENCE`], an unauthenticated connection ends
//! within [`HANDSHAKE`](crate::tls::HANDSHAKE).

mod connection;
mod copy;
mod counters;
mod driver;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod handshake;
mod hello;
mod limiter;
mod listener;
mod opening;
mod orders;
mod reception;
mod relay;
mod silence;
mod socket;

use std::net::SocketAddr;
use std::time::Duration;

use crate::site::Site;
use crate::tls::TlsError;

pub use connection::Connection;
pub use copy::{CopyError, CopyStream};
pub use counters::{Counted, Counters};
pub use handshake::connect;
pub use limiter::Limiter;
pub use listener::Listener;
pub use opening::{Opening, RelocationId};
pub use relay::{Relay, RelayError};

/// The version of the protocol that agents speak to each other.
pub const PROTOCOL: u32 = 1;
/// The largest order, in octets of JSON.
pub const LARGEST_ORDER: usize = 256 * 1024;
/// How many copy streams an agent may open over one connection.
pub const MOST_COPIES: usize = 32;
/// How much one connection holds at most of what has been received and not yet been read.
pub const RECEIVE_WINDOW: usize = MOST_STREAMS * 256 * 1024 + WINDOW_GROWTH;
/// After this long without a sign of life the other side is given up. Time in which this side stood
/// still itself does not count.
pub const SILENCE: Duration = Duration::from_secs(6);

/// Copies of both sides, orders, and streams that are on their way out.
const MOST_STREAMS: usize = 3 * MOST_COPIES;
/// By how much the windows of all streams may grow beyond the 256 KiB that each has. A window grows to
/// up to four times what the way holds, 27 MiB at 1 Gbit/s and 55 ms, and never shrinks; what the copy
/// of a disk has taken must leave as much to that of the memory, which begins when the disk is there.
const WINDOW_GROWTH: usize = 128 * 1024 * 1024;
/// How often an agent shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long what was written may take to go out when a connection is closed.
const CLOSING: Duration = Duration::from_secs(2);

/// Why there is no connection, or not any more.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChannelError {
    /// The agent cannot listen.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// Nobody answers.
    #[error("cannot reach site {site} at {address}: {reason}")]
    Unreachable {
        /// Who was wanted.
        site: Site,
        /// Where.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// This site's own files are not in order.
    #[error("{0}")]
    Identity(String),
    /// The other side is not who it should be, refuses this site, or speaks another protocol.
    #[error("no connection with {peer}: {reason}")]
    Refused {
        /// Who: a site, an address or both.
        peer: String,
        /// Why.
        reason: String,
    },
    /// The connection stood, and is gone.
    #[error("the connection with site {peer} is lost: {reason}")]
    Lost {
        /// With whom.
        peer: Site,
        /// What was seen.
        reason: String,
    },
    /// The other side has closed it.
    #[error("site {0} has closed the connection")]
    ClosedByPeer(Site),
    /// This side has closed it.
    #[error("the connection with site {0} was closed")]
    Closed(Site),
    /// The certificate of the other side was good, and is no more.
    #[error("the connection with site {peer} was cut off: {reason}")]
    Distrusted {
        /// With whom.
        peer: Site,
        /// Why.
        reason: String,
    },
    /// The other side breaks the protocol.
    #[error("site {peer} breaks the protocol: {reason}")]
    Protocol {
        /// Who.
        peer: Site,
        /// How.
        reason: String,
    },
    /// An order of this side is too large; nothing was sent.
    #[error("an order of {0} octets is too large: at most {LARGEST_ORDER}")]
    TooLarge(usize),
    /// An order that cannot be read; the next one may be.
    #[error("an order of site {peer} cannot be read: {reason}")]
    Unreadable {
        /// Whose.
        peer: Site,
        /// Why.
        reason: String,
    },
    /// Too many copies at once.
    #[error("more than {MOST_COPIES} copy streams to site {0} at once")]
    TooManyCopies(Site),
}

impl From<TlsError> for ChannelError {
    fn from(error: TlsError) -> Self {
        let text = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self::Identity(text)
    }
}
