//! The Locator Update (RFC 6743 §2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |  Type = 156   |   Code = 0    |           Checksum            |
//! +---------------+---------------+-------------------------------+
//! |  Num of Locs  |   Operation   |           RESERVED            |
//! +---------------+---------------+-------------------------------+
//! |                                                               |
//! +                           Locator[1]                          +
//! |                                                               |
//! +-------------------------------+-------------------------------+
//! |         Preference[1]         |          Lifetime[1]          |
//! +-------------------------------+-------------------------------+
//! |                          Locator[2] ...
//! ```
//!
//! The checksum is that of any ICMPv6 message: whole addresses. The figure in the RFC calls the
//! Operation octet reserved; its table of fields, followed here, does not. The "Identifier option"
//! that the RFC asks for exists in ILNPv4 only: here the IPv6 header has the identifiers.

use core::net::Ipv6Addr;

use super::icmpv6;
use crate::drop_reason::DropReason;
use crate::id::{Lifetime, Locator, Preference};

/// Octets of a record: Locator, Preference and Lifetime.
const RECORD: usize = 12;

/// A Locator Update, with the whole set of its sender's Locators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatorUpdate {
    operation: Operation,
    reserved: u16,
    records: Vec<Record>,
}

/// What a Locator Update is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Tells the sender's Locators.
    Advertisement,
    /// Says that an advertisement was understood, and repeats it.
    Acknowledgement,
}

impl Operation {
    const fn code(self) -> u8 {
        match self {
            Self::Advertisement => 1,
            Self::Acknowledgement => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Advertisement),
            2 => Some(Self::Acknowledgement),
            _ => None,
        }
    }
}

/// One Locator of a Locator Update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where.
    pub locator: Locator,
    /// The lower, the more preferred.
    pub preference: Preference,
    /// For how long.
    pub lifetime: Lifetime,
}

impl LocatorUpdate {
    /// How many Locators fit into one update.
    pub const MAX_LOCATORS: usize = 255;

    /// An advertisement of these Locators, or `None` unless there are 1 to 255 of them.
    pub fn advertisement(records: Vec<Record>) -> Option<Self> {
        let fits = (1..=Self::MAX_LOCATORS).contains(&records.len());
        fits.then_some(Self {
            operation: Operation::Advertisement,
            reserved: 0,
            records,
        })
    }

    /// The answer to this advertisement: the same body but for the Operation.
    #[must_use]
    pub fn acknowledgement(&self) -> Self {
        Self {
            operation: Operation::Acknowledgement,
            ..self.clone()
        }
    }

    /// Reads an ICMPv6 message of type 156. Its checksum is the caller's business.
    ///
    /// # Errors
    /// [`DropReason::UpdateMalformed`] unless the code is 0, the operation known, there is at least
    /// one Locator, and the length is just that of the announced number of records.
    pub fn parse(message: &[u8]) -> Result<Self, DropReason> {
        Self::read(message).ok_or(DropReason::UpdateMalformed)
    }

    fn read(message: &[u8]) -> Option<Self> {
        let (&[kind, 0, _, _, count, operation, r0, r1], body) = message.split_first_chunk()?
        else {
            return None;
        };
        let (records, []) = body.as_chunks::<RECORD>() else {
            return None;
        };
        let counted = count != 0 && records.len() == usize::from(count);
        if kind != icmpv6::LOCATOR_UPDATE || !counted {
            return None;
        }
        Some(Self {
            operation: Operation::from_code(operation)?,
            reserved: u16::from_be_bytes([r0, r1]),
            records: records.iter().copied().map(Record::from_octets).collect(),
        })
    }

    /// Writes the ICMPv6 message, its checksum included.
    pub fn emit(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
        // Every way to make an update keeps the number of records within an octet.
        let count = u8::try_from(self.records.len()).unwrap_or(u8::MAX);
        let mut message = vec![
            icmpv6::LOCATOR_UPDATE,
            0,
            0,
            0,
            count,
            self.operation.code(),
        ];
        message.extend_from_slice(&self.reserved.to_be_bytes());
        for record in &self.records {
            message.extend_from_slice(&record.locator.octets());
            message.extend_from_slice(&record.preference.0.to_be_bytes());
            message.extend_from_slice(&record.lifetime.0.to_be_bytes());
        }
        icmpv6::with_checksum(message, source, destination)
    }

    /// Whether it advertises or acknowledges.
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// The Locators in the order of the message, unusable ones too.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

impl Record {
    const fn from_octets(octets: [u8; RECORD]) -> Self {
        let [a, b, c, d, e, f, g, h, p0, p1, l0, l1] = octets;
        Self {
            locator: Locator::from_octets([a, b, c, d, e, f, g, h]),
            preference: Preference(u16::from_be_bytes([p0, p1])),
            lifetime: Lifetime(u16::from_be_bytes([l0, l1])),
        }
    }
}
