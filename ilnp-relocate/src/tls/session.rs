//! The handshake of one connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, CommonState, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::{Chain, material};
use crate::site::Site;

/// A connection in TLS.
pub(crate) type Secured<T> = TlsStream<T>;

/// How long the last words may take to be read.
const PARTING: Duration = Duration::from_secs(1);

/// Proves this site to those who connect.
pub(crate) struct Acceptor(pub(super) Arc<ServerConfig>);

/// Proves this site to those whom it connects to.
pub(crate) struct Connector(pub(super) Arc<ClientConfig>);

impl Acceptor {
    /// Takes a connection of any site that has a good certificate. The error says why not.
    pub(crate) async fn accept<T>(&self, wire: T) -> Result<(Secured<T>, Chain), String>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        match TlsAcceptor::from(self.0.clone())
            .accept(wire)
            .into_fallible()
            .await
        {
            Ok(stream) => {
                let chain = chain(stream.get_ref().1);
                Ok((stream.into(), chain))
            }
            Err((error, mut wire)) => {
                // So that the other side reads why.
                let _ = wire.shutdown().await;
                drain(&mut wire).await;
                Err(explain(&error))
            }
        }
    }
}

impl Connector {
    /// Connects to `site`. The error says why that is impossible. Whether it takes this site is
    /// known only when it has answered something.
    pub(crate) async fn dial<T>(&self, wire: T, site: &Site) -> Result<(Secured<T>, Chain), String>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(site.to_string()).map_err(|error| error.to_string())?;
        match TlsConnector::from(self.0.clone()).connect(name, wire).await {
            Ok(stream) => {
                let chain = chain(stream.get_ref().1);
                Ok((stream.into(), chain))
            }
            Err(error) => Err(explain(&error)),
        }
    }
}

/// The certificates that the other side has shown.
fn chain(state: &CommonState) -> Chain {
    let certificates = state.peer_certificates().unwrap_or_default();
    certificates
        .iter()
        .map(|certificate| certificate.clone().into_owned())
        .collect()
}

/// Reads until the other side has nothing more to say: a connection that is closed with octets
/// unread takes back what was written last.
pub(crate) async fn drain(input: &mut (impl AsyncRead + Unpin)) {
    let mut octets = [0; 1024];
    let reading = async { while let Ok(1..) = input.read(&mut octets).await {} };
    // Who says more than that will not hear why.
    let _ = tokio::time::timeout(PARTING, reading).await;
}

/// What an error of a connection in TLS means.
pub(crate) fn explain(error: &io::Error) -> String {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(inner) => material::explain(inner),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it was cut without a word".to_owned()
        }
        None => error.to_string(),
    }
}
