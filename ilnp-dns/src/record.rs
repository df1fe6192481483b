//! Resource records (RFC 1035 §3.2, RFC 3597): an owner, a type, a class, a TTL and RDATA.

use core::fmt;

use bytes::Bytes;

use crate::name::Name;

/// A record type or a query type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

/// The types that have a name here: number and mnemonic.
macro_rules! types {
    ($($name:ident = $number:literal),* $(,)?) => {
        impl RecordType {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                pub const $name: Self = Self($number);
            )*

            /// The mnemonic, for the types that this crate speaks of.
            fn mnemonic(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// The type with this mnemonic, in either case, or of the form `TYPE106` (RFC 3597 §5).
            pub fn from_mnemonic(text: &str) -> Option<Self> {
                $(if text.eq_ignore_ascii_case(stringify!($name)) {
                    return Some(Self::$name);
                })*
                let number = text.get(..4).filter(|word| word.eq_ignore_ascii_case("TYPE"));
                number.and(text.get(4..)?.parse().ok()).map(Self)
            }
        }
    };
}

types! {
    A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, MX = 15, TXT = 16, AAAA = 28, SRV = 33, DNAME = 39,
    OPT = 41, DS = 43, RRSIG = 46, NID = 104, L32 = 105, L64 = 106, LP = 107, TSIG = 250,
    IXFR = 251, AXFR = 252, ANY = 255,
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(mnemonic) => f.write_str(mnemonic),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A class; in updates also `ANY` and `NONE` (RFC 2136 §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class(pub u16);

impl Class {
    /// The Internet.
    pub const IN: Self = Self(1);
    /// `NONE`.
    pub const NONE: Self = Self(254);
    /// `ANY`.
    pub const ANY: Self = Self(255);
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("IN"),
            3 => f.write_str("CH"),
            4 => f.write_str("HS"),
            254 => f.write_str("NONE"),
            255 => f.write_str("ANY"),
            other => write!(f, "CLASS{other}"),
        }
    }
}

/// A resource record. Its RDATA is as on the wire, with names in it uncompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The owner.
    pub name: Name,
    /// The type.
    pub rtype: RecordType,
    /// The class.
    pub class: Class,
    /// For how many seconds it may be kept.
    pub ttl: u32,
    /// The data, without its length.
    pub rdata: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_and_written() {
        for (number, text) in [(1, "A"), (104, "NID"), (107, "LP"), (1234, "TYPE1234")] {
            assert_eq!(RecordType(number).to_string(), text);
            assert_eq!(RecordType::from_mnemonic(text), Some(RecordType(number)));
        }
        assert_eq!(RecordType::from_mnemonic("type106"), Some(RecordType::L64));
        assert_eq!(RecordType::from_mnemonic("l64"), Some(RecordType::L64));
        for text in ["", "TYPE", "TYPE65536", "L65", "é", "TYPÉ106"] {
            assert_eq!(RecordType::from_mnemonic(text), None, "{text}");
        }
    }
}
