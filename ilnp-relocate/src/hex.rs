//! Octets as text.

use std::fmt::Write as _;

/// Octets as hexadecimal digits, two for each.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
