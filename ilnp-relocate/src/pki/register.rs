//! Certificates and the revocation list, read back.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::prelude::{CertificateRevocationList, FromDer as _, Pem, X509Certificate};

use super::{PkiError, file};
use crate::hex::hex;

/// What the authority needs to know of a certificate.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) der: Vec<u8>,
    pub(super) serial: Vec<u8>,
    pub(super) name: String,
    pub(super) until: i64,
    pub(super) public_key: Vec<u8>,
}

impl Certificate {
    pub(super) fn read(path: &Path) -> Result<Self, PkiError> {
        let der = pem(path, "CERTIFICATE")?;
        let (_, parsed) =
            X509Certificate::from_der(&der).map_err(|reason| PkiError::damaged(path, &reason))?;
        let name = parsed.subject().iter_common_name().next();
        let name = name
            .and_then(|name| name.as_str().ok())
            .unwrap_or_default()
            .to_owned();
        let until = parsed.validity().not_after.timestamp();
        let public_key = parsed.public_key().subject_public_key.data.to_vec();
        let serial = plain(parsed.raw_serial());
        Ok(Self {
            serial,
            name,
            until,
            public_key,
            der,
        })
    }

    /// The serial number in hexadecimal digits.
    pub(super) fn serial_text(&self) -> String {
        hex(&self.serial)
    }
}

/// The revocation list.
#[derive(Debug)]
pub(super) struct List {
    /// The serial numbers, and when each was revoked.
    pub(super) revoked: Vec<(Vec<u8>, SystemTime)>,
    /// Which one it is: each new one has a higher number.
    pub(super) number: u64,
}

impl List {
    pub(super) fn read(path: &Path) -> Result<Self, PkiError> {
        let der = pem(path, "X509 CRL")?;
        let (_, parsed) = CertificateRevocationList::from_der(&der)
            .map_err(|reason| PkiError::damaged(path, &reason))?;
        let revoked = parsed.iter_revoked_certificates().map(|revoked| {
            let seconds = u64::try_from(revoked.revocation_date.timestamp()).unwrap_or(0);
            (
                plain(revoked.raw_serial()),
                UNIX_EPOCH + Duration::from_secs(seconds),
            )
        });
        let number = parsed
            .crl_number()
            .and_then(|number| u64::try_from(number).ok());
        Ok(Self {
            revoked: revoked.collect(),
            number: number.ok_or_else(|| PkiError::damaged(path, &"it has no number"))?,
        })
    }

    pub(super) fn contains(&self, serial: &[u8]) -> bool {
        self.revoked.iter().any(|(revoked, _)| revoked == serial)
    }
}

/// A serial number without the zero that keeps it positive in DER.
fn plain(serial: &[u8]) -> Vec<u8> {
    let zeros = serial.iter().take_while(|octet| **octet == 0).count();
    serial[zeros..].to_vec()
}

fn pem(path: &Path, label: &str) -> Result<Vec<u8>, PkiError> {
    let text = file::read(path)?;
    let mut blocks = Pem::iter_from_buffer(text.as_bytes());
    match blocks.next() {
        Some(Ok(block)) if block.label == label => Ok(block.contents),
        Some(Ok(block)) => Err(PkiError::damaged(
            path,
            &format!("a {} is no {label}", block.label),
        )),
        Some(Err(reason)) => Err(PkiError::damaged(path, &reason)),
        None => Err(PkiError::damaged(
            path,
            &format!("there is no {label} in it"),
        )),
    }
}
