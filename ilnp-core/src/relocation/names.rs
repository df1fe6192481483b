//! Names that only this protocol uses.

use core::fmt;
use core::str::FromStr;

use crate::id::{ParseIdError, serde_as_text};

/// A MAC address, written `52:54:00:00:00:01`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = ParseIdError;

    /// Reads the address of one station: a group address cannot be a neighbour's.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        const GROUP: u8 = 1;
        let octets: Option<Vec<u8>> = text.split(':').map(|part| hex(part, 2)).collect();
        octets
            .and_then(|octets| <[u8; 6]>::try_from(octets).ok())
            .filter(|[first, ..]| first & GROUP == 0)
            .map(Self)
            .ok_or_else(|| ParseIdError {
                found: text.chars().take(64).collect(),
                expected: "the MAC address of a station (six pairs of hex digits, as 52:54:00:00:00:01)",
            })
    }
}

serde_as_text!(Mac);

/// Names one run of a guest: two machines that were started from one saved state have different
/// ones. Written as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance(pub u128);

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Instance {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let digits = text.len() == 32 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
        digits
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| ParseIdError {
                found: text.chars().take(64).collect(),
                expected: "an instance (32 hex digits)",
            })
    }
}

serde_as_text!(Instance);

/// Exactly so many hex digits: `from_str_radix` takes a sign, too.
fn hex(text: &str, digits: usize) -> Option<u8> {
    let fits = text.len() == digits && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    fits.then(|| u8::from_str_radix(text, 16).ok()).flatten()
}
