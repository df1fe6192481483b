//! RDATA as text, for the types whose RDATA a zone looks into.

use core::fmt::Write as _;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use ilnp_core::id::Groups;

use super::entry::{Fault, Word};
use super::value;
use crate::name::Name;
use crate::record::RecordType;
use crate::zone::fields::{self, Field};

/// Reads the fields of RDATA.
pub(super) fn read_fields<'a>(
    fields: &[Field],
    words: &mut impl Iterator<Item = Word<'a>>,
    origin: &Name,
    behind: usize,
) -> Result<Vec<u8>, Fault> {
    let mut rdata = Vec::new();
    for field in fields {
        let missing = || {
            Fault::new(
                behind,
                format!("found no more, expected {}", expected(*field)),
            )
        };
        let word = words.next().ok_or_else(missing)?;
        read_field(*field, word, origin, &mut rdata)?;
        if *field == Field::Strings {
            for word in words.by_ref() {
                read_field(*field, word, origin, &mut rdata)?;
            }
        }
    }
    Ok(rdata)
}

fn read_field(
    field: Field,
    word: Word<'_>,
    origin: &Name,
    rdata: &mut Vec<u8>,
) -> Result<(), Fault> {
    match field {
        Field::Name => rdata.extend_from_slice(value::name(word, origin)?.wire()),
        Field::U16 => rdata.extend(value::decimal::<u16>(word, expected(field))?.to_be_bytes()),
        Field::U32 => rdata.extend(value::decimal::<u32>(word, expected(field))?.to_be_bytes()),
        Field::Seconds => rdata.extend(value::seconds(word)?.to_be_bytes()),
        Field::Ipv4 => rdata.extend(parsed::<Ipv4Addr>(word, field)?.octets()),
        Field::Ipv6 => rdata.extend(parsed::<Ipv6Addr>(word, field)?.octets()),
        Field::Groups => rdata.extend(parsed::<Groups>(word, field)?.0.to_be_bytes()),
        Field::Strings => {
            let string = value::character_string(word)?;
            let length = u8::try_from(string.len());
            rdata.push(length.map_err(|_| value::unexpected(word, expected(field)))?);
            rdata.extend(string);
        }
    }
    Ok(())
}

fn parsed<T: FromStr>(word: Word<'_>, field: Field) -> Result<T, Fault> {
    word.text
        .parse()
        .map_err(|_| value::unexpected(word, expected(field)))
}

fn expected(field: Field) -> &'static str {
    match field {
        Field::Name => "a name",
        Field::U16 => "a number from 0 to 65535",
        Field::U32 => "a number from 0 to 4294967295",
        Field::Seconds => value::SECONDS,
        Field::Ipv4 => "four decimal numbers with dots between, as 192.0.2.1",
        Field::Ipv6 => "an IPv6 address",
        Field::Groups => {
            "four groups of one to four hex digits with colons between and no \"::\", as \
             0014:4fff:ff20:ee64"
        }
        Field::Strings => "a string of at most 255 octets",
    }
}

/// Writes RDATA as text that can be read again: of other types in the form of RFC 3597 §5.
pub(super) fn write(rtype: RecordType, rdata: &[u8], text: &mut String) {
    let known = fields::of(rtype).filter(|_| fields::are_valid(rtype, rdata));
    let mut rest = rdata;
    for field in known.unwrap_or_default() {
        let Some((part, behind)) = field.split(rest) else {
            return;
        };
        if rest.len() < rdata.len() {
            text.push(' ');
        }
        write_field(*field, part, text);
        rest = behind;
    }
    if known.is_none() {
        write_unknown(rdata, text);
    }
}

fn write_field(field: Field, part: &[u8], text: &mut String) {
    let number = || {
        part.iter()
            .fold(0, |bits, octet| (bits << 8) | u64::from(*octet))
    };
    let written = match field {
        Field::Name => Name::from_wire(part).map_or(Ok(()), |name| write!(text, "{name}")),
        Field::U16 | Field::U32 | Field::Seconds => write!(text, "{}", number()),
        Field::Ipv4 => part.try_into().map_or(Ok(()), |octets: [u8; 4]| {
            write!(text, "{}", Ipv4Addr::from(octets))
        }),
        Field::Ipv6 => part.try_into().map_or(Ok(()), |octets: [u8; 16]| {
            write!(text, "{}", Ipv6Addr::from(octets))
        }),
        Field::Groups => write!(text, "{}", Groups(number())),
        Field::Strings => {
            write_strings(part, text);
            Ok(())
        }
    };
    written.expect("a String takes all that is written to it");
}

fn write_strings(part: &[u8], text: &mut String) {
    let mut rest = part;
    while let Some((&length, behind)) = rest.split_first() {
        let (string, behind) = behind.split_at(usize::from(length).min(behind.len()));
        if rest.len() < part.len() {
            text.push(' ');
        }
        text.push('"');
        for octet in string {
            match octet {
                b'"' | b'\\' => text.extend(['\\', char::from(*octet)]),
                b' '..=b'~' => text.push(char::from(*octet)),
                _ => text.push_str(&format!("\\{octet:03}")),
            }
        }
        text.push('"');
        rest = behind;
    }
}

fn write_unknown(rdata: &[u8], text: &mut String) {
    text.push_str(&format!("\\# {}", rdata.len()));
    if !rdata.is_empty() {
        text.push(' ');
    }
    for octet in rdata {
        text.push_str(&format!("{octet:02x}"));
    }
}
