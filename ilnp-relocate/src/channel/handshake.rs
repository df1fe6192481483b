//! From a TCP connection to two agents that know each other.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::driver::Side;
use super::hello::{self, Hello};
use super::socket::{self, Wire};
use super::{ChannelError, Connection, frame};
use crate::site::Site;
use crate::tls::{self, HANDSHAKE, Identity, Secured};

/// Connects to the agent of `site`, which must prove that it is.
///
/// # Errors
/// When it cannot be reached or does not answer in time, is not `site`, refuses this site, or
/// speaks another protocol.
pub async fn connect(
    address: SocketAddr,
    site: &Site,
    identity: &Identity,
) -> Result<Connection, ChannelError> {
    let unreachable = |reason| ChannelError::Unreachable {
        site: site.clone(),
        address,
        reason,
    };
    let refused = |reason| ChannelError::Refused {
        peer: format!("site {site} at {address}"),
        reason,
    };
    let connecting = async {
        let connector = identity.connector()?;
        let wire = socket::connect(address)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let (mut stream, chain) = connector.dial(wire, site).await.map_err(refused)?;
        let own = Hello::of(identity.site()).to_octets();
        // When it fails the answer says why.
        let _ = frame::write(&mut stream, &own).await;
        let hello = read_hello(&mut stream).await.map_err(refused)?;
        if let Some(reason) = hello.refused {
            // It may have any characters in it.
            let reason = reason.escape_debug();
            return Err(refused(format!("it refuses this site: {reason}")));
        }
        if hello.site != *site {
            return Err(refused(format!("it calls itself {}", hello.site)));
        }
        let (site, identity) = (site.clone(), identity.clone());
        Connection::start(stream, Side::Dialler, site, chain, identity, None)
            .map_err(|error| unreachable(error.to_string()))
    };
    let late = || unreachable(format!("no answer within {} s", HANDSHAKE.as_secs()));
    timeout(HANDSHAKE, connecting)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// Takes a connection of a site that `admit` knows.
pub(super) async fn accept(
    wire: Wire,
    address: SocketAddr,
    identity: &Identity,
    admit: impl Fn(&Site) -> Result<OwnedSemaphorePermit, String>,
) -> Result<Connection, ChannelError> {
    let refused = |reason| ChannelError::Refused {
        peer: address.to_string(),
        reason,
    };
    let accepting = async {
        let acceptor = identity.acceptor()?;
        let (mut stream, chain) = acceptor.accept(wire).await.map_err(refused)?;
        let hello = match read_hello(&mut stream).await {
            Ok(hello) => hello,
            Err(reason) => return Err(refuse(stream, identity, reason, refused).await),
        };
        let site = hello.site;
        if !tls::bears(&chain, &site) {
            let reason = format!("its certificate is not of site {site}, which it claims to be");
            return Err(refuse(stream, identity, reason, refused).await);
        }
        let refused = |reason| ChannelError::Refused {
            peer: format!("site {site} at {address}"),
            reason,
        };
        let permit = match admit(&site) {
            Ok(permit) => permit,
            Err(reason) => return Err(refuse(stream, identity, reason, refused).await),
        };
        let own = Hello::of(identity.site()).to_octets();
        let gone = |error: std::io::Error| refused(tls::explain(&error));
        frame::write(&mut stream, &own).await.map_err(gone)?;
        let identity = identity.clone();
        let site = site.clone();
        Connection::start(stream, Side::Listener, site, chain, identity, Some(permit))
            .map_err(|error| refused(error.to_string()))
    };
    let late = || refused(format!("no handshake within {} s", HANDSHAKE.as_secs()));
    timeout(HANDSHAKE, accepting)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// Tells the other side that it is refused, and why.
async fn refuse<F, E>(mut stream: Secured<Wire>, identity: &Identity, reason: String, error: F) -> E
where
    F: Fn(String) -> E,
{
    let hello = Hello::refusal(identity.site(), &reason).to_octets();
    if frame::write(&mut stream, &hello).await.is_ok() {
        let _ = stream.shutdown().await;
        tls::drain(&mut stream).await;
    }
    error(reason)
}

async fn read_hello(stream: &mut Secured<Wire>) -> Result<Hello, String> {
    match frame::read(stream, hello::LARGEST).await {
        Ok(Some(octets)) => Hello::parse(&octets),
        Ok(None) => Err("it closed the connection without a word".to_owned()),
        Err(error) => Err(tls::explain(&error)),
    }
}
