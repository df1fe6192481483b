//! The data of the NID, L32, L64 and LP records (RFC 6742 §2): wire and presentation formats.
//!
//! All four begin with a Preference, the lower the more preferred, and are independent of the
//! class. Each type here reads and writes RDATA alone: without the length that precedes it in a
//! message, and in text without owner, TTL, class and type.

mod l32;
mod l64;
mod lp;
mod nid;

use ilnp_core::id::{Groups, NotGroups, Preference};

use crate::name::{Name, NameError};

pub use l32::L32;
pub use l64::L64;
pub use lp::Lp;
pub use nid::Nid;

/// Why RDATA is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RdataError {
    /// A record of fixed length that has another.
    #[error("{record} RDATA has {expected} octets, not {found}")]
    Length {
        /// The record's type.
        record: &'static str,
        /// How many octets it has.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Text that is not a preference and a value.
    #[error("{0:?} is not a preference and a value, as in \"10 {1}\"")]
    Fields(String, &'static str),
    /// A preference that is none.
    #[error("{0:?} is not a preference: a decimal number from 0 to 65535")]
    Preference(String),
    /// A NodeID or Locator64 that is none.
    #[error("{found:?} is {why}")]
    Groups {
        /// The text as it was given.
        found: String,
        /// What is wrong with it.
        why: NotGroups,
    },
    /// A Locator32 that is none.
    #[error("{0:?} is not four decimal numbers with dots between, as 10.1.2.0")]
    Locator32(String),
    /// A name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An LP record that points at its own owner (RFC 6742 §2.4.1.2).
    #[error("an LP record of {0} must not point at {0} itself")]
    OwnTarget(Name),
}

/// Splits RDATA into the Preference and a value of just `N` octets.
fn split_wire<const N: usize>(
    record: &'static str,
    rdata: &[u8],
) -> Result<(Preference, [u8; N]), RdataError> {
    rdata
        .split_first_chunk()
        .and_then(|(preference, value)| Some((*preference, value.try_into().ok()?)))
        .map(|(preference, value)| (Preference(u16::from_be_bytes(preference)), value))
        .ok_or(RdataError::Length {
            record,
            expected: 2 + N,
            found: rdata.len(),
        })
}

/// Splits text into the Preference and the text of the value. `example` is a value for the error.
fn split_text<'a>(
    text: &'a str,
    example: &'static str,
) -> Result<(Preference, &'a str), RdataError> {
    let mut fields = text.split_ascii_whitespace();
    let (Some(preference), Some(value), None) = (fields.next(), fields.next(), fields.next())
    else {
        return Err(RdataError::Fields(shortened(text), example));
    };
    let decimal = preference.bytes().all(|octet| octet.is_ascii_digit());
    let number = preference.parse().ok().filter(|_| decimal);
    let number = number.ok_or_else(|| RdataError::Preference(shortened(preference)))?;
    Ok((Preference(number), value))
}

/// Reads the value of a NID or L64 record.
fn parse_groups(text: &str) -> Result<u64, RdataError> {
    match text.parse() {
        Ok(Groups(bits)) => Ok(bits),
        Err(why) => Err(RdataError::Groups {
            found: shortened(text),
            why,
        }),
    }
}

/// The start of a text that an error repeats.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
