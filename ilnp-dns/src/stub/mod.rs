//! The stub resolver that this host's applications ask.
//!
//! The AAAA record of a name that has NID and L64 (or LP) records is answered with the
//! correspondent's handle, after the daemon has learnt of it; its A record is hidden unless
//! configured otherwise; the PTR record of a handle is the correspondent's name. Everything else
//! passes through octet by octet.

mod correspondents;
mod listen;
mod responder;
pub(crate) mod synthesis;

use core::net::SocketAddr;
use std::io;
use std::sync::Arc;

use ilnp_core::id::HandlePrefix;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use self::responder::Responder;
use crate::resolve::Resolver;

pub use correspondents::{Correspondents, Known, Learnt};

/// How the stub resolver answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens, on UDP and TCP: single addresses, since a reply of a socket that listens
    /// on all of them may leave from another than was asked.
    pub listen: Vec<SocketAddr>,
    /// The prefix of handles.
    pub handle_prefix: HandlePrefix,
    /// What becomes of the A records of ILNP names.
    pub ipv4: Ipv4,
}

/// What becomes of the A records of ILNP names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ipv4 {
    /// They are hidden: RFC 6724 puts handles (fc00::/7) behind IPv4 in musl and newer glibc, so
    /// that applications would choose IPv4 and lose their mobility.
    #[default]
    Hide,
    /// They pass.
    Keep,
}

/// A stub resolver that listens.
#[derive(Debug)]
pub struct Stub {
    config: Config,
    sockets: Vec<(UdpSocket, TcpListener)>,
}

/// An address that the stub resolver cannot listen on.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} ({transport}) for DNS queries; does another resolver run there?"
)]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl Stub {
    /// Listens: requests that come before [`run`](Self::run) wait in the kernel.
    ///
    /// # Errors
    /// [`BindError`] when one of the addresses cannot be used.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        let mut sockets = Vec::new();
        for &address in &config.listen {
            let error = |transport| {
                move |source| BindError {
                    address,
                    transport,
                    source,
                }
            };
            let tcp = TcpListener::bind(address).await.map_err(error("TCP"))?;
            // The same port where the kernel chooses it.
            let bound = tcp.local_addr().map_err(error("TCP"))?;
            let udp = UdpSocket::bind(bound).await.map_err(error("UDP"))?;
            sockets.push((udp, tcp));
        }
        Ok(Self { config, sockets })
    }

    /// Where it listens: with the port that the kernel chose where the configuration says 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let address = |(udp, _tcp): &(UdpSocket, TcpListener)| udp.local_addr().ok();
        self.sockets.iter().filter_map(address).collect()
    }

    /// Answers queries until the future is dropped.
    pub async fn run<C: Correspondents>(self, resolver: Resolver, correspondents: Arc<C>) {
        let responder = Arc::new(Responder {
            config: self.config,
            resolver,
            correspondents,
        });
        let mut listeners = JoinSet::new();
        for (udp, tcp) in self.sockets {
            listeners.spawn(listen::udp(udp, Arc::clone(&responder)));
            listeners.spawn(listen::tcp(tcp, Arc::clone(&responder)));
        }
        listeners.join_all().await;
    }
}
