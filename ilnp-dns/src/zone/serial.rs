//! Serial numbers of zones (RFC 1982), and where the SOA record holds them.

use core::cmp::Ordering;
use core::fmt;

use bytes::Bytes;

/// The version of a zone.
///
/// Versions are ordered around a circle: of two that are exactly half of it apart neither is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Serial(pub u32);

impl Serial {
    /// The serial of the next version. It is never 0, which some servers take for "unknown".
    #[must_use]
    pub fn successor(self) -> Self {
        Self(self.0.checked_add(1).unwrap_or(1))
    }

    /// Whether this is the later one (RFC 1982 §3.2).
    pub fn is_newer_than(self, other: Self) -> bool {
        self.partial_cmp(&other) == Some(Ordering::Greater)
    }
}

impl PartialOrd for Serial {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.0.wrapping_sub(other.0) {
            0 => Some(Ordering::Equal),
            1..0x8000_0000 => Some(Ordering::Greater),
            0x8000_0000 => None,
            _ => Some(Ordering::Less),
        }
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The numbers at the end of SOA RDATA (RFC 1035 §3.3.13).
const SERIAL: usize = 20;
const MINIMUM: usize = 4;

/// The serial in SOA RDATA.
pub fn of_soa(rdata: &[u8]) -> Option<Serial> {
    number(rdata, SERIAL).map(Serial)
}

/// How long negative answers may be kept, in seconds (RFC 2308 §4).
pub(super) fn negative_ttl(rdata: &[u8]) -> Option<u32> {
    number(rdata, MINIMUM)
}

/// SOA RDATA with another serial.
pub(super) fn with_serial(rdata: &[u8], serial: Serial) -> Bytes {
    let mut rdata = rdata.to_vec();
    if let Some((_, numbers)) = rdata.split_last_chunk_mut::<SERIAL>() {
        numbers[..4].copy_from_slice(&serial.0.to_be_bytes());
    }
    rdata.into()
}

fn number(rdata: &[u8], from_the_end: usize) -> Option<u32> {
    let start = rdata.len().checked_sub(from_the_end)?;
    let octets = rdata[start..].first_chunk()?;
    Some(u32::from_be_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_goes_around_a_circle() {
        for (newer, older) in [(1, 0), (0, u32::MAX), (0x8000_0000, 1), (5, 0x8000_0006)] {
            assert!(Serial(newer).is_newer_than(Serial(older)), "{newer}");
            assert!(!Serial(older).is_newer_than(Serial(newer)), "{newer}");
        }
        assert!(!Serial(7).is_newer_than(Serial(7)));
        assert!(!Serial(0x8000_0000).is_newer_than(Serial(0)));
        assert!(!Serial(0).is_newer_than(Serial(0x8000_0000)));
    }

    #[test]
    fn the_next_serial_is_newer_and_not_zero() {
        for serial in [0, 1, 0x7fff_ffff, u32::MAX - 1, u32::MAX].map(Serial) {
            assert!(serial.successor().is_newer_than(serial), "{serial}");
            assert_ne!(serial.successor(), Serial(0));
        }
    }

    #[test]
    fn soa_rdata_holds_a_serial() {
        let rdata: Vec<u8> = (0..22).collect();
        assert_eq!(of_soa(&rdata), Some(Serial(0x0203_0405)));
        assert_eq!(negative_ttl(&rdata), Some(0x1213_1415));
        let changed = with_serial(&rdata, Serial(0x0a0b_0c0d));
        assert_eq!(changed[..8], [0, 1, 10, 11, 12, 13, 6, 7]);
        assert_eq!(changed[8..], rdata[8..]);
        assert_eq!(of_soa(&[0; 19]), None);
    }
}
