//! Somebody who speaks TLS without the care of an agent: whatever certificate, whatever version.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ilnp_relocate::channel::Listener;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::world::{World, soon};

/// A certificate and its key.
pub(crate) struct Credentials {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Credentials {
    /// What the authority has issued.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Self {
        Self {
            chain: vec![CertificateDer::from_pem_file(certificate).unwrap()],
            key: PrivateKeyDer::from_pem_file(key).unwrap(),
        }
    }

    /// What the authority's key can sign, and no agent should take.
    pub(crate) fn forge(world: &World, change: impl Fn(&mut CertificateParams)) -> Self {
        let authority = std::fs::read_to_string(world.path("ca.pem")).unwrap();
        let key = std::fs::read_to_string(world.path("ca.key")).unwrap();
        let key = KeyPair::from_pem(&key).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&authority, key).unwrap();
        let mut parameters = CertificateParams::new(["a".to_owned()]).unwrap();
        parameters.not_before = (SystemTime::now() - Duration::from_secs(3600)).into();
        parameters.not_after = (SystemTime::now() + Duration::from_secs(3600)).into();
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut parameters);
        let pair = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&pair, &issuer).unwrap();
        Self {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::try_from(pair.serialize_der()).unwrap(),
        }
    }
}

/// Connects to `b`, and proves what these credentials prove.
async fn secure(
    world: &World,
    address: SocketAddr,
    credentials: Option<Credentials>,
    protocol: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(world.path("ca.pem")).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match credentials {
        Some(credentials) => config
            .with_client_auth_cert(credentials.chain, credentials.key)
            .unwrap(),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = ServerName::try_from("b").unwrap();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

fn frame(words: &[u8]) -> Vec<u8> {
    [&u32::try_from(words.len()).unwrap().to_be_bytes(), words].concat()
}

/// Connects to `b`, says `words`, and reads what is answered.
pub(crate) async fn dial(
    world: &World,
    address: SocketAddr,
    credentials: Option<Credentials>,
    protocol: &str,
    words: &[u8],
) -> io::Result<Vec<u8>> {
    let mut stream = secure(world, address, credentials, protocol).await?;
    stream.write_all(&frame(words)).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Connects to `b`, says hello, and is welcome.
pub(crate) async fn meet(
    world: &World,
    address: SocketAddr,
    credentials: Credentials,
    hello: &[u8],
) -> TlsStream<TcpStream> {
    let mut stream = secure(world, address, Some(credentials), "ilnp-relocate")
        .await
        .unwrap();
    stream.write_all(&frame(hello)).await.unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.unwrap();
    let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut answer).await.unwrap();
    stream
}

/// What the listener says about somebody who dials like this.
pub(crate) async fn refusal(
    world: &World,
    listener: &Listener,
    credentials: Option<Credentials>,
) -> String {
    let dialling = dial(
        world,
        listener.addresses()[0],
        credentials,
        "ilnp-relocate",
        b"{}",
    );
    let (_, refusal) = soon(async { tokio::join!(dialling, listener.accept()) }).await;
    refusal.unwrap_err().to_string()
}

/// Listens as `b` with these credentials, for one connection.
pub(crate) async fn listen(credentials: Credentials) -> SocketAddr {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(credentials.chain, credentials.key)
        .unwrap();
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
    });
    address
}
