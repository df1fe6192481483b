//! What the files become: configurations of rustls, and a verifier.

use core::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime,
};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, RootCertStore, ServerConfig, version,
};

use super::files::Contents;
use super::{Chain, Files, TlsError};
use crate::site::Site;

/// What both sides say they speak above TLS.
const PROTOCOL: &[u8] = b"ilnp-relocate";

pub(super) struct Material {
    contents: Contents,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // There is a key in it.
        f.debug_struct("Material").finish_non_exhaustive()
    }
}

impl Material {
    pub(super) fn new(site: &Site, files: &Files, contents: Contents) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let chain: Chain = pem(&files.certificate, &contents.certificate)?;
        let lists: Vec<CertificateRevocationListDer<'_>> = pem(&files.revoked, &contents.revoked)?;
        let mut roots = RootCertStore::empty();
        for authority in pem::<CertificateDer<'_>>(&files.ca, &contents.ca)? {
            roots
                .add(authority)
                .map_err(|reason| wrong(&files.ca, &explain(&reason)))?;
        }
        let roots = Arc::new(roots);
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|reason| wrong(&files.key, &format!("no key in PEM: {reason}")))?;

        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .with_crls(lists.clone())
            .build()
            .map_err(|reason| wrong(&files.revoked, &reason))?;
        let of_servers = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
            .with_crls(lists)
            .build()
            .map_err(|reason| wrong(&files.revoked, &reason))?;
        let own = |reason| TlsError::Own {
            path: files.certificate.clone(),
            reason,
        };
        check(&*verifier, &chain).map_err(own)?;
        if !bears(&chain, site) {
            return Err(own(format!("it is not of site {site}")));
        }

        let mismatch = |reason: Error| wrong(&files.key, &explain(&reason));
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(mismatch)?
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(mismatch)?;
        // Resumed sessions are not checked against the revocation list.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.alpn_protocols = vec![PROTOCOL.to_vec()];

        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .map_err(mismatch)?
            .with_webpki_verifier(of_servers)
            .with_client_auth_cert(chain, key)
            .map_err(mismatch)?;
        client.resumption = Resumption::disabled();
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self {
            contents,
            server: Arc::new(server),
            client: Arc::new(client),
            verifier,
        })
    }

    pub(super) fn is_of(&self, contents: &Contents) -> bool {
        self.contents == *contents
    }

    pub(super) fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    pub(super) fn client(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }

    /// Whether a chain is good now.
    pub(super) fn check(&self, chain: &Chain) -> Result<(), String> {
        check(&*self.verifier, chain)
    }
}

fn check(verifier: &dyn ClientCertVerifier, chain: &Chain) -> Result<(), String> {
    let (first, others) = chain.split_first().ok_or("there is no certificate")?;
    let now = UnixTime::now();
    verifier
        .verify_client_cert(first, others, now)
        .map(|_| ())
        .map_err(|reason| explain(&reason))
}

/// Whether the first certificate of a chain bears the name of a site.
pub(crate) fn bears(chain: &Chain, site: &Site) -> bool {
    let Ok(name) = ServerName::try_from(site.as_str()) else {
        return false;
    };
    let parsed = chain
        .first()
        .and_then(|first| ParsedCertificate::try_from(first).ok());
    parsed.is_some_and(|parsed| verify_server_name(&parsed, &name).is_ok())
}

fn pem<T: PemObject>(path: &Path, contents: &[u8]) -> Result<Vec<T>, TlsError> {
    let objects = T::pem_slice_iter(contents).collect::<Result<Vec<_>, _>>();
    let objects = objects.map_err(|reason| wrong(path, &format!("no PEM: {reason}")))?;
    if objects.is_empty() {
        return Err(wrong(path, &"there is no such thing in it"));
    }
    Ok(objects)
}

fn wrong(path: &Path, reason: &impl ToString) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// What an error of rustls means here, to those who have not read its documentation.
pub(super) fn explain(error: &Error) -> String {
    let text = match error {
        Error::InvalidCertificate(reason) => return explain_certificate(reason),
        Error::AlertReceived(alert) => return explain_alert(*alert),
        Error::InvalidMessage(_) => "it does not speak TLS 1.3",
        Error::NoCertificatesPresented => "it shows no certificate",
        Error::NoApplicationProtocol => "it is no agent of ilnp-relocate",
        Error::InconsistentKeys(_) => "the key is not that of the certificate",
        _ => return error.to_string(),
    };
    text.to_owned()
}

fn explain_certificate(error: &CertificateError) -> String {
    let text = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet: are the clocks right?"
        }
        CertificateError::Revoked => "the certificate was revoked",
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the certificate is of another authority"
        }
        CertificateError::UnknownRevocationStatus => {
            "there is no revocation list of the certificate's authority"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is of another site"
        }
        CertificateError::BadEncoding => "the certificate is damaged",
        _ => return format!("the certificate is refused: {error}"),
    };
    text.to_owned()
}

fn explain_alert(alert: AlertDescription) -> String {
    let text = match alert {
        AlertDescription::CertificateRevoked => "it says that this site's certificate was revoked",
        AlertDescription::CertificateExpired => "it says that this site's certificate has expired",
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "it says that this site's certificate is of another authority"
        }
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.3",
        AlertDescription::NoApplicationProtocol => "it is no agent of ilnp-relocate",
        _ => return format!("it refuses this site: {alert:?}"),
    };
    text.to_owned()
}
