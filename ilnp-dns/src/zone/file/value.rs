//! Single words of a master file: names, numbers, times and strings.

use core::str::FromStr;

use super::entry::{Fault, Word};
use crate::name::{Name, NameError, unescape};
use crate::rdata::shortened;

/// What a time looks like.
pub(super) const SECONDS: &str =
    "a time: seconds up to 4294967295, or numbers with units as in 1h30m (w, d, h, m, s)";

pub(super) fn unexpected(word: Word<'_>, expected: &str) -> Fault {
    let message = format!("found {:?}, expected {expected}", shortened(word.text));
    Fault::new(word.offset, message)
}

/// A name; one without a dot at its end is completed with the origin, which `@` stands for.
pub(super) fn name(word: Word<'_>, origin: &Name) -> Result<Name, Fault> {
    let wrong = |error: NameError| Fault::new(word.offset, error.to_string());
    if word.quoted {
        return Err(unexpected(word, "a name, without quotes"));
    }
    if word.text == "@" {
        return Ok(origin.clone());
    }
    match word.text.parse::<Name>() {
        Err(NameError::Relative(_)) => {
            let relative: Name = format!("{}.", word.text).parse().map_err(wrong)?;
            let labels = relative
                .wire()
                .split_last()
                .map_or(&[][..], |(_, labels)| labels);
            Name::from_wire(&[labels, origin.wire()].concat()).map_err(wrong)
        }
        name => name.map_err(wrong),
    }
}

pub(super) fn decimal<T: FromStr>(word: Word<'_>, expected: &str) -> Result<T, Fault> {
    let digits = !word.quoted && word.text.bytes().all(|octet| octet.is_ascii_digit());
    let number = word.text.parse().ok().filter(|_| digits);
    number.ok_or_else(|| unexpected(word, expected))
}

/// Seconds, or several numbers with units.
pub(super) fn seconds(word: Word<'_>) -> Result<u32, Fault> {
    let seconds = parse_seconds(word.text).filter(|_| !word.quoted);
    seconds.ok_or_else(|| unexpected(word, SECONDS))
}

/// Whether a word is meant to be a time.
pub(super) fn is_time(word: Word<'_>) -> bool {
    !word.quoted && word.text.starts_with(|first: char| first.is_ascii_digit())
}

fn parse_seconds(text: &str) -> Option<u32> {
    if text.bytes().all(|octet| octet.is_ascii_digit()) {
        return text.parse().ok();
    }
    let (mut sum, mut number) = (0_u32, None);
    for octet in text.bytes() {
        if let Some(digit) = char::from(octet).to_digit(10) {
            let above = number.unwrap_or(0_u32).checked_mul(10)?;
            number = Some(above.checked_add(digit)?);
            continue;
        }
        let unit = match octet.to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        sum = sum.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    number.is_none().then_some(sum)
}

/// The octets of a string, without escapes.
pub(super) fn character_string(word: Word<'_>) -> Result<Vec<u8>, Fault> {
    let (mut string, mut octets) = (Vec::new(), word.text.bytes());
    while let Some(octet) = octets.next() {
        let octet = match octet {
            b'\\' => unescape(&mut octets),
            octet => Some(octet),
        };
        let escape = "a backslash to be followed by a character, or by three digits up to 255";
        string.push(octet.ok_or_else(|| unexpected(word, escape))?);
    }
    Ok(string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Word<'_> {
        Word {
            text,
            offset: 7,
            quoted: false,
        }
    }

    #[test]
    fn times_may_have_units() {
        for (text, found) in [
            ("0", Some(0)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("1h30M", Some(5400)),
            ("1w2d3h4m5s", Some(788_645)),
            ("h", None),
            ("1h30", None),
            ("1x", None),
            ("99999999999s", None),
            ("7102w", None),
            ("-1", None),
            ("+1", None),
            ("", None),
        ] {
            assert_eq!(seconds(word(text)).ok(), found, "{text}");
        }
    }

    #[test]
    fn relative_names_are_completed() {
        let origin: Name = "example.org.".parse().unwrap();
        for (text, found) in [
            ("@", "example.org."),
            ("a", "a.example.org."),
            ("a.b", "a.b.example.org."),
            ("a.b.", "a.b."),
            (r"a\.", r"a\..example.org."),
            (".", "."),
        ] {
            assert_eq!(name(word(text), &origin).unwrap().to_string(), found);
        }
        for wrong in [
            "a..b",
            ".a",
            r"a\",
            &"a".repeat(64),
            &"a.".repeat(125)[..249],
        ] {
            let fault = name(word(wrong), &origin).unwrap_err();
            assert_eq!(fault.offset, 7, "{wrong}");
        }
        assert_eq!(name(word("a"), &Name::root()).unwrap().to_string(), "a.");
    }
}
