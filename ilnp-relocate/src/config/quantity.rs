//! Octets, and octets a second, as people write them.

/// Why a quantity cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found:?}, expected {expected}")]
pub struct InvalidQuantity {
    found: String,
    expected: &'static str,
}

/// Binary units of octets.
const OCTETS: [(&str, u64); 5] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("", 1),
];
/// Decimal units of bits, as links are measured in.
const BITS: [(&str, u64); 3] = [
    ("kbit", 1_000),
    ("Mbit", 1_000_000),
    ("Gbit", 1_000_000_000),
];

/// Reads a number of octets: `192MiB`, `1GiB`, `4096`.
///
/// # Errors
/// When it is none, is nothing, or does not fit 64 bits.
pub fn octets(text: &str) -> Result<u64, InvalidQuantity> {
    scaled(text, &OCTETS).ok_or_else(|| InvalidQuantity {
        found: text.chars().take(64).collect(),
        expected: "a number of octets above zero, as 192MiB, 1GiB or 65536",
    })
}

/// Reads octets a second: `100Mbit` (bits), `12MiB` (octets).
///
/// # Errors
/// When it is none, is nothing, or does not fit 64 bits.
pub fn rate(text: &str) -> Result<u64, InvalidQuantity> {
    scaled(text, &BITS)
        .map(|bits| bits / 8)
        .or_else(|| scaled(text, &OCTETS))
        .filter(|rate| *rate > 0)
        .ok_or_else(|| InvalidQuantity {
            found: text.chars().take(64).collect(),
            expected: "a rate above zero, as 100Mbit (bits a second) or 12MiB (octets a second)",
        })
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    units.iter().find_map(|(unit, size)| {
        let digits = text.strip_suffix(unit)?;
        let plain = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
        let number = plain.then(|| digits.parse::<u64>().ok()).flatten()?;
        number.checked_mul(*size).filter(|octets| *octets > 0)
    })
}

/// Octets as people read them: three digits or so.
#[must_use]
pub fn show(octets: u64) -> String {
    const STEPS: [(&str, u64); 4] = [
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ];
    let step = STEPS.into_iter().find(|(_, size)| octets >= *size);
    let Some((unit, size)) = step else {
        return format!("{octets} B");
    };
    let (whole, tenths) = (octets / size, octets % size * 10 / size);
    if whole < 100 {
        format!("{whole}.{tenths} {unit}")
    } else {
        format!("{whole} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_are_read_as_people_write_them() {
        assert_eq!(octets("192MiB"), Ok(192 << 20));
        assert_eq!(octets("65536"), Ok(65536));
        assert_eq!(rate("100Mbit"), Ok(12_500_000));
        assert_eq!(rate("12MiB"), Ok(12 << 20));
        for wrong in ["", "0", "MiB", "-1", "1.5GiB", "1 GiB", "99999999TiB", "+1"] {
            assert!(octets(wrong).is_err(), "{wrong}");
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn quantities_are_shown_short() {
        assert_eq!(show(17), "17 B");
        assert_eq!(show(1536), "1.5 KiB");
        assert_eq!(show(512 << 20), "512 MiB");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(text in ".{0,40}", octets_to_show: u64) {
            let _ = (octets(&text), rate(&text), show(octets_to_show));
        }
    }
}
