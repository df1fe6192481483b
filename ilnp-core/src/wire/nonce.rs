//! The Nonce (RFC 6744 §2): its value, and the option that carries it.

use core::fmt;
use core::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// How long the Nonces are that a node makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NonceLength {
    /// 32 bits.
    Short,
    /// 96 bits.
    #[default]
    Long,
}

impl NonceLength {
    /// The length in octets, as the option says it: 4 or 12.
    pub(super) const fn option_length(self) -> u8 {
        match self {
            Self::Short => 4,
            Self::Long => 12,
        }
    }

    /// The length in octets: 4 or 12.
    pub const fn octets(self) -> usize {
        self.option_length() as usize
    }

    /// The length of the Destination Options header that holds nothing but a Nonce, in units of
    /// 8 octets.
    pub(super) const fn header_units(self) -> u8 {
        (self.option_length() + 4) / 8
    }

    /// The length of the Destination Options header that holds nothing but a Nonce: 8 or 16.
    pub const fn header_octets(self) -> usize {
        self.octets() + 4
    }
}

/// A Nonce of 32 or 96 bits. The length is part of its identity.
///
/// Compared in constant time; never printed, so that logs do not give it away.
#[derive(Clone, Copy, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nonce {
    length: u8,
    octets: [u8; 12],
}

impl Nonce {
    /// The Nonce with these octets, or `None` unless there are 4 or 12 of them.
    pub fn from_slice(value: &[u8]) -> Option<Self> {
        let length = match value.len() {
            4 => 4,
            12 => 12,
            _ => return None,
        };
        let mut octets = [0; 12];
        octets.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self { length, octets })
    }

    /// Its octets: 4 or 12 of them.
    pub fn as_slice(&self) -> &[u8] {
        self.octets
            .get(..usize::from(self.length))
            .unwrap_or(&self.octets)
    }

    /// Its length.
    pub const fn length(&self) -> NonceLength {
        if self.length == 4 {
            NonceLength::Short
        } else {
            NonceLength::Long
        }
    }
}

impl PartialEq for Nonce {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && bool::from(self.octets.ct_eq(&other.octets))
    }
}

impl Hash for Nonce {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({} bits)", u32::from(self.length) * 8)
    }
}
