//! The operator's own certification authority: a directory of files.
//!
//! | file | what it holds | who needs it |
//! |---|---|---|
//! | `ca.pem` | the authority's certificate | every site |
//! | `ca.key` | its key | nobody but this directory: it makes certificates of any site |
//! | `revoked.pem` | the revocation list | every site, and again after each revocation |
//! | `SITE.pem`, `SITE.key` | a site's certificate and key | that site alone |
//! | `revoked/` | certificates and keys that were revoked | nobody |
//!
//! Keys are P-256. A certificate bears the [name of its site](Site) and is good for both ends of a
//! connection. The directory is of mode 0700 and its files 0600; no certificate or key is ever
//! overwritten.
//!
//! The revocation list has no end: an authority that lies in a drawer cannot renew it. So a site that is
//! not given the new list goes on trusting a revoked certificate.

mod file;
mod register;
mod verb;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ilnp_service::durable;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
};
use serde::Serialize;

use crate::site::Site;

pub use verb::Verb;

const DAY: Duration = Duration::from_hours(24);
/// How long an authority is good for.
const AUTHORITY: Duration = Duration::from_hours(24 * 3650);
/// How long the certificate of a site is good for.
const CERTIFICATE: Duration = Duration::from_hours(24 * 730);

/// A certification authority, opened: nobody else changes it meanwhile.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    _lock: File,
}

/// The files of a site, as [`Authority::issue`] made them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Issued {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A certificate that an authority has issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// The site that it is of.
    pub site: String,
    /// Its serial number, in hexadecimal digits.
    pub serial: String,
    /// Until when it is good, in seconds since 1970.
    pub until: i64,
    /// Whether it was revoked.
    pub revoked: bool,
}

impl Authority {
    /// Makes a new authority called `name` in `directory`, which is made if need be.
    ///
    /// # Errors
    /// When there is one already, and when the directory cannot be written.
    pub fn init(directory: &Path, name: &str) -> Result<Self, PkiError> {
        if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            return Err(PkiError::Name(name.chars().take(80).collect()));
        }
        file::directory(directory)?;
        let lock = file::lock(directory)?;
        let [certificate, key, revoked] =
            ["ca.pem", "ca.key", "revoked.pem"].map(|f| directory.join(f));
        for path in [&certificate, &key, &revoked] {
            file::must_not_exist(path)?;
        }

        let mut parameters = parameters(name, AUTHORITY);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pair = KeyPair::generate()?;
        let private = pair.serialize_pem();
        let issuer = CertifiedIssuer::self_signed(parameters, pair)?;
        let list = revocation_list(Vec::new(), &issuer, 1)?;
        file::write_new(&[
            (&key, private.as_bytes()),
            (&certificate, issuer.pem().as_bytes()),
            (&revoked, list.as_bytes()),
        ])?;
        drop(lock);
        Self::open(directory)
    }

    /// Opens the authority in `directory`, and waits for nobody: it is refused while another
    /// process has it open.
    ///
    /// # Errors
    /// When there is none, when its files are damaged, and when another process has it open.
    pub fn open(directory: &Path) -> Result<Self, PkiError> {
        if !directory.join("ca.pem").exists() {
            return Err(PkiError::NoAuthority(directory.to_owned()));
        }
        let lock = file::lock(directory)?;
        let key_path = directory.join("ca.key");
        let key = KeyPair::from_pem(&file::read(&key_path)?)
            .map_err(|source| PkiError::damaged(&key_path, &source))?;
        let certificate = register::Certificate::read(&directory.join("ca.pem"))?;
        if certificate.public_key != key.public_key_raw() {
            return Err(PkiError::damaged(&key_path, &"it is not the key of ca.pem"));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate.der.as_slice().into(), key)
            .map_err(|source| PkiError::damaged(&directory.join("ca.pem"), &source))?;
        Ok(Self {
            directory: directory.to_owned(),
            issuer,
            _lock: lock,
        })
    }

    /// Makes a key and a certificate for `site`.
    ///
    /// # Errors
    /// When the site has a certificate that is not revoked.
    pub fn issue(&self, site: &Site) -> Result<Issued, PkiError> {
        let issued = Issued {
            certificate: self.directory.join(format!("{site}.pem")),
            key: self.directory.join(format!("{site}.key")),
        };
        // These names are taken.
        if matches!(site.as_str(), "ca" | "revoked") {
            return Err(PkiError::Reserved(site.clone()));
        }
        if issued.certificate.exists() {
            return Err(PkiError::Issued {
                site: site.clone(),
                directory: self.directory.clone(),
            });
        }
        file::must_not_exist(&issued.key)?;
        let mut parameters = parameters(site.as_str(), CERTIFICATE);
        parameters.subject_alt_names =
            CertificateParams::new([site.to_string()])?.subject_alt_names;
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        parameters.use_authority_key_identifier_extension = true;
        let pair = KeyPair::generate()?;
        let certificate = parameters.signed_by(&pair, &self.issuer)?;
        file::write_new(&[
            (&issued.key, pair.serialize_pem().as_bytes()),
            (&issued.certificate, certificate.pem().as_bytes()),
        ])?;
        Ok(issued)
    }

    /// Revokes the certificate of `site`, and puts it and its key out of the way, so that the site
    /// can be given another one. Returns the path of the new revocation list, which every site
    /// needs now.
    ///
    /// # Errors
    /// When the site has none.
    pub fn revoke(&self, site: &Site) -> Result<PathBuf, PkiError> {
        let path = self.directory.join(format!("{site}.pem"));
        if !path.exists() || matches!(site.as_str(), "ca" | "revoked") {
            return Err(PkiError::Unknown {
                site: site.clone(),
                directory: self.directory.clone(),
            });
        }
        let certificate = register::Certificate::read(&path)?;
        let list_path = self.directory.join("revoked.pem");
        let list = register::List::read(&list_path)?;
        let mut revoked: Vec<_> = list.revoked.iter().map(entry).collect();
        // After a crash between here and the end it is in the list already.
        if !list.contains(&certificate.serial) {
            revoked.push(entry(&(certificate.serial.clone(), SystemTime::now())));
            let list = revocation_list(revoked, &self.issuer, list.number + 1)?;
            durable::replace(&list_path, list.as_bytes(), 0o600)
                .map_err(|source| PkiError::io("replace", &list_path, source))?;
        }
        let away = self.directory.join("revoked");
        file::directory(&away)?;
        for kind in ["pem", "key"] {
            let from = self.directory.join(format!("{site}.{kind}"));
            let to = away.join(format!("{site}-{}.{kind}", certificate.serial_text()));
            match std::fs::rename(&from, &to) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(PkiError::io("move away", &from, source));
                }
                _ => {}
            }
        }
        Ok(list_path)
    }

    /// Every certificate that was issued, by site.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, PkiError> {
        let list = register::List::read(&self.directory.join("revoked.pem"))?;
        let mut entries = Vec::new();
        for directory in [self.directory.clone(), self.directory.join("revoked")] {
            for path in file::certificates(&directory)? {
                let certificate = register::Certificate::read(&path)?;
                entries.push(Entry {
                    revoked: list.contains(&certificate.serial),
                    serial: certificate.serial_text(),
                    site: certificate.name,
                    until: certificate.until,
                });
            }
        }
        entries.sort_by(|a, b| (&a.site, a.revoked, a.until).cmp(&(&b.site, b.revoked, b.until)));
        Ok(entries)
    }
}

fn parameters(name: &str, validity: Duration) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    parameters.distinguished_name = subject;
    // Clocks differ.
    parameters.not_before = (SystemTime::now() - DAY).into();
    parameters.not_after = (SystemTime::now() + validity).into();
    parameters
}

fn entry((serial, at): &(Vec<u8>, SystemTime)) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: SerialNumber::from_slice(serial),
        revocation_time: (*at).into(),
        reason_code: Some(RevocationReason::Unspecified),
        invalidity_date: None,
    }
}

fn revocation_list(
    revoked_certs: Vec<RevokedCertParams>,
    issuer: &Issuer<'_, KeyPair>,
    number: u64,
) -> Result<String, PkiError> {
    let list = CertificateRevocationListParams {
        this_update: (SystemTime::now() - DAY).into(),
        next_update: (SystemTime::now() + AUTHORITY).into(),
        crl_number: number.into(),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(list.signed_by(issuer)?.pem()?)
}

/// Why the authority cannot do what it was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// No name for an authority.
    #[error("{0:?} is no name for an authority: 1 to 64 octets without control characters")]
    Name(String),
    /// There is no authority.
    #[error("there is no authority in {}: `ilnp-relocate pki init` makes one", .0.display())]
    NoAuthority(PathBuf),
    /// Something is there that must not be overwritten.
    #[error("{} exists already, and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// Another process has it open.
    #[error("another process is changing the authority in {}: try again", .0.display())]
    Busy(PathBuf),
    /// The site's name is that of a file of the authority.
    #[error("a site cannot be called {0}: the authority has a file of this name")]
    Reserved(Site),
    /// The site has a certificate.
    #[error(
        "site {site} has a certificate already, in {}: `ilnp-relocate pki revoke` makes room for \
         another one", directory.display()
    )]
    Issued {
        /// Whose.
        site: Site,
        /// Where.
        directory: PathBuf,
    },
    /// The site has none.
    #[error("site {site} has no certificate in {}", directory.display())]
    Unknown {
        /// Whose.
        site: Site,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// A file is not what it should be.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        reason: String,
    },
    /// The system refuses.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// A certificate cannot be made.
    #[error("cannot make the certificate")]
    Make(#[from] rcgen::Error),
}

impl PkiError {
    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io {
            doing,
            path,
            source,
        }
    }

    fn damaged(path: &Path, reason: &impl ToString) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}
