//! Keys that sign messages (TSIG, RFC 8945).

mod file;

use core::fmt;

use ring::hmac;
use zeroize::Zeroizing;

use crate::name::Name;

/// A key that a host and a server share. Its secret is erased with it, and never printed.
pub struct TsigKey {
    name: Name,
    algorithm: Algorithm,
    secret: Zeroizing<Vec<u8>>,
}

/// How a message is signed (RFC 8945 §6). Only what is still recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `hmac-sha256`
    HmacSha256,
    /// `hmac-sha384`
    HmacSha384,
    /// `hmac-sha512`
    HmacSha512,
}

impl TsigKey {
    /// A key of these parts.
    pub fn new(name: Name, algorithm: Algorithm, secret: Zeroizing<Vec<u8>>) -> Self {
        Self {
            name,
            algorithm,
            secret,
        }
    }

    /// The name by which the server knows it.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Begins a MAC. Ring's form of the key is made for each, since ring does not erase it.
    pub(crate) fn begin(&self) -> hmac::Context {
        let key = hmac::Key::new(self.algorithm.hmac(), &self.secret);
        hmac::Context::with_key(&key)
    }
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TsigKey")
            .field("name", &self.name.to_string())
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// Its name as key files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }

    /// Octets of a MAC.
    pub(crate) fn mac_len(self) -> usize {
        self.hmac().digest_algorithm().output_len()
    }

    /// Its name on the wire.
    pub(crate) fn wire(self) -> &'static [u8] {
        match self {
            Self::HmacSha256 => b"\x0bhmac-sha256\x00",
            Self::HmacSha384 => b"\x0bhmac-sha384\x00",
            Self::HmacSha512 => b"\x0bhmac-sha512\x00",
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::HmacSha256 => hmac::HMAC_SHA256,
            Self::HmacSha384 => hmac::HMAC_SHA384,
            Self::HmacSha512 => hmac::HMAC_SHA512,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Zeroizing::new(b"do not tell".to_vec());
        let key = TsigKey::new("a.".parse().unwrap(), Algorithm::HmacSha256, secret);
        let text = format!("{key:?}");
        assert!(
            !text.contains("do not tell") && !text.contains("100"),
            "{text}"
        );
    }
}
