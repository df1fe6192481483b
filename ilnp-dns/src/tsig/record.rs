//! The TSIG record (RFC 8945 §4.2) at the end of a message.
//!
//! ```text
//! RDATA:
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! /                        Algorithm Name                         /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Time Signed                          |     Fudge
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!                 |           MAC Size            /      MAC      /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Original ID          |             Error             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           Other Len           /          Other Data           /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::hickory;
use crate::key::{Algorithm, TsigKey};
use crate::message::Rcode;
use crate::name::Name;
use crate::record::{Class, Record, RecordType};

/// Where the header counts the additional records.
const ARCOUNT: core::ops::Range<usize> = 10..12;

/// When a message was signed, and for how long this holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timers {
    /// Seconds since 1970; 48 bits on the wire.
    pub(super) signed: u64,
    /// Seconds.
    pub(super) fudge: u16,
}

impl Timers {
    /// Whether `now` is near enough.
    pub(super) fn hold(self, now: u64) -> bool {
        self.signed.abs_diff(now) <= u64::from(self.fudge)
    }

    pub(super) fn wire(self) -> [u8; 8] {
        let [.., a, b, c, d, e, f] = self.signed.to_be_bytes();
        let [g, h] = self.fudge.to_be_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

/// A TSIG record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tsig {
    pub(super) key: Name,
    /// The algorithm's name on the wire.
    pub(super) algorithm: Vec<u8>,
    pub(super) timers: Timers,
    pub(super) mac: Vec<u8>,
    pub(super) original_id: u16,
    pub(super) error: Rcode,
    pub(super) other: Vec<u8>,
}

/// A message that cannot be read as far as its TSIG record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Tsig {
    /// A record of `key` without a MAC.
    pub(super) fn unsigned(key: &TsigKey, timers: Timers, original_id: u16) -> Self {
        Self {
            key: key.name().clone(),
            algorithm: key.algorithm().wire().to_vec(),
            timers,
            mac: Vec::new(),
            original_id,
            error: Rcode::NOERROR,
            other: Vec::new(),
        }
    }

    /// Whether it is of this algorithm.
    pub(super) fn is_of(&self, algorithm: Algorithm) -> bool {
        self.algorithm.eq_ignore_ascii_case(algorithm.wire())
    }

    /// The server's time that a BADTIME error tells (RFC 8945 §5.2.3).
    pub(super) fn server_time(&self) -> Option<u64> {
        let [a, b, c, d, e, f] = *self.other.as_array()?;
        Some(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// Takes the TSIG record off a message, and gives what was signed: the message as it was
    /// before the record came, with its original identifier (RFC 8945 §4.3.2).
    ///
    /// `None` for a message that does not end with one.
    pub(super) fn split(wire: &[u8]) -> Result<Option<(Vec<u8>, Self)>, Malformed> {
        let last = hickory::last_additional(wire).map_err(|_error| Malformed)?;
        let Some((start, record)) = last.filter(|(_, last)| last.rtype == RecordType::TSIG) else {
            return Ok(None);
        };
        let tsig = Self::read(record).ok_or(Malformed)?;
        let mut message = wire.get(..start).ok_or(Malformed)?.to_vec();
        let arcount = count(&message).and_then(|count| count.checked_sub(1));
        set_count(&mut message, arcount.ok_or(Malformed)?);
        set_id(&mut message, tsig.original_id);
        Ok(Some((message, tsig)))
    }

    fn read(record: Record) -> Option<Self> {
        if record.class != Class::ANY || record.ttl != 0 {
            return None;
        }
        let (algorithm, rest) = Name::split_from(&record.rdata).ok()?;
        let ([a, b, c, d, e, f], rest) = rest.split_first_chunk()?;
        let (fudge, rest) = split_u16(rest)?;
        let (mac, rest) = split_counted(rest)?;
        let (original_id, rest) = split_u16(rest)?;
        let (error, rest) = split_u16(rest)?;
        let (other, rest) = split_counted(rest)?;
        rest.is_empty().then(|| Self {
            key: record.name,
            algorithm: algorithm.wire().to_vec(),
            timers: Timers {
                signed: u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f]),
                fudge,
            },
            mac: mac.to_vec(),
            original_id,
            error: Rcode(error),
            other: other.to_vec(),
        })
    }

    /// Appends the record to a message.
    pub(super) fn append(&self, message: &mut Vec<u8>) {
        let rdata = self.rdata();
        message.extend_from_slice(self.key.wire());
        message.extend_from_slice(&RecordType::TSIG.0.to_be_bytes());
        message.extend_from_slice(&Class::ANY.0.to_be_bytes());
        message.extend_from_slice(&[0; 4]);
        push_counted(message, &rdata);
        let arcount = count(message).unwrap_or(0);
        set_count(message, arcount.saturating_add(1));
    }

    fn rdata(&self) -> Vec<u8> {
        let mut rdata = self.algorithm.clone();
        rdata.extend_from_slice(&self.timers.wire());
        push_counted(&mut rdata, &self.mac);
        rdata.extend_from_slice(&self.original_id.to_be_bytes());
        rdata.extend_from_slice(&self.error.0.to_be_bytes());
        push_counted(&mut rdata, &self.other);
        rdata
    }
}

/// The identifier of a message.
pub(super) fn id(message: &[u8]) -> u16 {
    split_u16(message).map_or(0, |(id, _rest)| id)
}

fn set_id(message: &mut [u8], id: u16) {
    if let Some(place) = message.get_mut(..2) {
        place.copy_from_slice(&id.to_be_bytes());
    }
}

fn count(message: &[u8]) -> Option<u16> {
    message
        .get(ARCOUNT)
        .and_then(split_u16)
        .map(|(count, _rest)| count)
}

fn set_count(message: &mut [u8], count: u16) {
    if let Some(place) = message.get_mut(ARCOUNT) {
        place.copy_from_slice(&count.to_be_bytes());
    }
}

fn split_u16(octets: &[u8]) -> Option<(u16, &[u8])> {
    let (value, rest) = octets.split_first_chunk()?;
    Some((u16::from_be_bytes(*value), rest))
}

/// Octets with their number in front.
fn split_counted(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = split_u16(octets)?;
    rest.split_at_checked(length.into())
}

fn push_counted(to: &mut Vec<u8>, octets: &[u8]) {
    let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(octets);
}
