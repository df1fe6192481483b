//! What each stream begins with.

use core::fmt;
use core::str::FromStr;

use ring::rand::SecureRandom as _;
use serde::{Deserialize, Serialize};

use crate::hypervisor::Stream;

/// The largest opening, in octets.
pub(super) const LARGEST: usize = 1024;

/// What a copy stream belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Opening {
    /// The relocation.
    pub relocation: RelocationId,
    /// Which of the streams between the two halves of the hypervisor.
    pub stream: Stream,
}

/// What any stream may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// The orders of the side that opened it.
    Orders {},
    /// A copy.
    Copy(Opening),
}

impl Kind {
    pub(super) fn to_octets(&self) -> Result<Vec<u8>, String> {
        let octets = serde_json::to_vec(self).map_err(|reason| reason.to_string())?;
        if octets.len() > LARGEST {
            return Err(format!(
                "an opening of {} octets, of at most {LARGEST}",
                octets.len()
            ));
        }
        Ok(octets)
    }

    pub(super) fn parse(octets: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(octets).map_err(|reason| format!("an opening: {reason}"))
    }
}

/// Which relocation: 128 bits by chance, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelocationId(u128);

impl RelocationId {
    /// A new one, unlike every other.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut octets = [0; 16];
        ring::rand::SystemRandom::new()
            .fill(&mut octets)
            .map_err(|_| NoRandomness)?;
        Ok(Self(u128::from_be_bytes(octets)))
    }
}

impl fmt::Display for RelocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RelocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The system has no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random numbers")]
pub struct NoRandomness;

/// Not the identifier of a relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identifier of a relocation has 32 hexadecimal digits, in lower case")]
pub struct InvalidId;

impl FromStr for RelocationId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text
            .bytes()
            .all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 32 || !digits {
            return Err(InvalidId);
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| InvalidId)
    }
}

impl TryFrom<String> for RelocationId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<RelocationId> for String {
    fn from(id: RelocationId) -> Self {
        id.to_string()
    }
}
