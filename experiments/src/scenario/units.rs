//! How durations, rates, sizes and shares are written: a number and its unit, as `25ms`.

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// A number and the unit behind it, both as they were written.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// Reads `text` as a number of one of `units`; each unit has the factor that it stands for.
fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (number, unit) = split(text)?;
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    Some(number * factor)
}

/// A whole number of something; fractions are cut off, what is out of range is refused.
fn whole(value: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked before"
    )]
    (0.0..1e18).contains(&value).then(|| value.round() as u64)
}

/// Reads a string, through `read`, and says what was expected when it cannot be read.
fn from_text<'de, D, T>(
    deserializer: D,
    expected: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    struct Text<R>(&'static str, R);

    impl<T, R: Fn(&str) -> Option<T>> Visitor<'_> for Text<R> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.1)(text).ok_or_else(|| E::custom(format_args!("{text:?} is not {}", self.0)))
        }
    }

    deserializer.deserialize_str(Text(expected, read))
}

/// Writes a number with its unit.
fn to_text<S: Serializer>(
    serializer: S,
    number: Option<f64>,
    unit: &str,
) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => serializer.collect_str(&format_args!("{number}{unit}")),
        None => serializer.serialize_none(),
    }
}

fn thousands(value: impl Into<Option<u64>>) -> Option<f64> {
    value.into().map(|value| value as f64 / 1e3)
}

/// `25ms`, `1.5s`. Fields may be optional, here and below.
pub(super) mod duration {
    use super::*;
    use std::time::Duration;

    const EXPECTED: &str = "a duration with its unit, as \"25ms\" or \"1.5s\" (us, ms, s or min)";
    const UNITS: [(&str, f64); 4] = [("us", 1e3), ("ms", 1e6), ("s", 1e9), ("min", 6e10)];

    pub(in crate::scenario) fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
    where
        D: Deserializer<'de>,
        T: From<Duration>,
    {
        from_text(deserializer, EXPECTED, |text| {
            let nanos = scaled(text, &UNITS).and_then(whole)?;
            Some(Duration::from_nanos(nanos).into())
        })
    }

    pub(in crate::scenario) fn serialize<S, T>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        T: Copy + Into<Option<Duration>>,
    {
        let millis = (*value).into().map(|duration| duration.as_secs_f64() * 1e3);
        to_text(serializer, millis, "ms")
    }
}

/// `100mbit`: bits a second.
pub(super) mod rate {
    use super::*;

    const EXPECTED: &str = "a rate with its unit, as \"100mbit\" (kbit, mbit or gbit, a second)";
    const UNITS: [(&str, f64); 3] = [("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9)];

    pub(in crate::scenario) fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
    where
        D: Deserializer<'de>,
        T: From<u64>,
    {
        from_text(deserializer, EXPECTED, |text| {
            let rate = scaled(text, &UNITS).and_then(whole)?;
            (rate > 0).then(|| rate.into())
        })
    }

    pub(in crate::scenario) fn serialize<S, T>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        T: Copy + Into<Option<u64>>,
    {
        to_text(serializer, thousands(*value), "kbit")
    }
}

/// `40MB`: octets.
pub(super) mod size {
    use super::*;

    const EXPECTED: &str = "a size with its unit, as \"40MB\" (kB, MB, GB, MiB or GiB)";
    const UNITS: [(&str, f64); 5] = [
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
    ];

    pub(in crate::scenario) fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
    where
        D: Deserializer<'de>,
        T: From<u64>,
    {
        from_text(deserializer, EXPECTED, |text| {
            scaled(text, &UNITS).and_then(whole).map(T::from)
        })
    }

    pub(in crate::scenario) fn serialize<S, T>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        T: Copy + Into<Option<u64>>,
    {
        to_text(serializer, thousands(*value), "kB")
    }
}

/// `2.5%`: a share, kept as 0 to 1.
pub(super) mod share {
    use super::*;

    const EXPECTED: &str = "a share from \"0%\" to \"100%\"";

    pub(in crate::scenario) fn deserialize<'de, D>(deserializer: D) -> Result<f64, D::Error>
    where
        D: Deserializer<'de>,
    {
        from_text(deserializer, EXPECTED, |text| {
            scaled(text, &[("%", 0.01)]).filter(|share| (0.0..=1.0).contains(share))
        })
    }

    pub(in crate::scenario) fn serialize<S: Serializer>(
        value: &f64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        to_text(serializer, Some(value * 100.0), "%")
    }
}
