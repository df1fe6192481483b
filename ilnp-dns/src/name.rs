//! Domain names: whole and uncompressed.

use core::cmp::Ordering;
use core::fmt::{self, Write as _};
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use bytes::Bytes;

use crate::rdata::shortened;

/// Octets of a name on the wire (RFC 1035 §2.3.4).
const MAX_NAME: usize = 255;
/// Octets of a label.
const MAX_LABEL: usize = 63;

/// A fully qualified domain name. Compares without regard to ASCII case, and keeps it. Clones and
/// ancestors share its octets.
///
/// The order is the canonical one (RFC 4034 §6.1): a name comes right before the names below it.
#[derive(Clone, Debug)]
pub struct Name {
    /// Labels with their lengths in front, up to and with the root.
    wire: Bytes,
}

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It ends before the root label.
    #[error("the name is cut short")]
    Truncated,
    /// Octets follow its root label.
    #[error("octets follow the name")]
    Trailing,
    /// A pointer to another place of a message.
    #[error("the name is compressed, which RFC 6742 forbids in LP records")]
    Compressed,
    /// More than 255 octets.
    #[error("the name is longer than 255 octets")]
    TooLong,
    /// A label of no octets or of more than 63.
    #[error("{0:?} has a label that is empty or longer than 63 octets")]
    Label(String),
    /// Text without a dot at its end.
    #[error("{0:?} is relative: write it in full, with a dot at its end")]
    Relative(String),
    /// A backslash that is not followed by a character or three decimal digits up to 255.
    #[error("{0:?} has a wrong escape: a backslash takes a character, or three digits up to 255")]
    Escape(String),
}

impl Name {
    /// Reads a name that takes all of the octets.
    ///
    /// # Errors
    /// [`NameError::Truncated`], [`NameError::Trailing`], [`NameError::Compressed`] or
    /// [`NameError::TooLong`].
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        match Self::split_from(wire)? {
            (name, []) => Ok(name),
            (_name, _rest) => Err(NameError::Trailing),
        }
    }

    /// Reads the name that the octets begin with; also gives what follows it.
    ///
    /// # Errors
    /// [`NameError::Truncated`], [`NameError::Compressed`] or [`NameError::TooLong`].
    pub fn split_from(wire: &[u8]) -> Result<(Self, &[u8]), NameError> {
        let mut rest = wire;
        loop {
            let (&length, behind) = rest.split_first().ok_or(NameError::Truncated)?;
            let length = usize::from(length);
            if length > MAX_LABEL {
                return Err(NameError::Compressed);
            }
            let (_label, behind) = behind
                .split_at_checked(length)
                .ok_or(NameError::Truncated)?;
            rest = behind;
            if length == 0 {
                break;
            }
        }
        let name = &wire[..wire.len() - rest.len()];
        if name.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        let wire = Bytes::copy_from_slice(name);
        Ok((Self { wire }, rest))
    }

    /// The name on the wire.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The root.
    pub fn root() -> Self {
        Self {
            wire: Bytes::from_static(&[0]),
        }
    }

    /// Its labels without the root, the leftmost first.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.wire;
        core::iter::from_fn(move || {
            let (&length, behind) = rest.split_first()?;
            let (label, behind) = behind.split_at_checked(length.into())?;
            rest = behind;
            (length != 0).then_some(label)
        })
    }

    /// The label whose length stands at a place of the wire form.
    fn label_at(&self, start: u8) -> &[u8] {
        let start = usize::from(start);
        let length = usize::from(self.wire[start]);
        &self.wire[start + 1..=start + length]
    }

    /// The name without its first label; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let length = self.labels().next()?.len();
        Some(Self {
            wire: self.wire.slice(1 + length..),
        })
    }

    /// Whether this is `ancestor` or a name below it.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        let Some(start) = self.wire.len().checked_sub(ancestor.wire.len()) else {
            return false;
        };
        let mut at = 0;
        while at < start {
            at += 1 + usize::from(self.wire[at]);
        }
        at == start && self.wire[start..].eq_ignore_ascii_case(&ancestor.wire)
    }
}

/// Where the labels of a name begin, kept on the stack.
struct LabelStarts {
    starts: [u8; MAX_NAME / 2],
    count: usize,
}

impl LabelStarts {
    fn of(name: &Name) -> Self {
        let (mut starts, mut count, mut start) = ([0; MAX_NAME / 2], 0, 0_u8);
        while let length @ 1.. = name.wire[usize::from(start)] {
            starts[count] = start;
            count += 1;
            start += 1 + length;
        }
        Self { starts, count }
    }

    fn rightmost_first(&self) -> impl Iterator<Item = u8> {
        self.starts[..self.count].iter().rev().copied()
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (LabelStarts::of(self), LabelStarts::of(other));
        for (one, another) in ours.rightmost_first().zip(theirs.rightmost_first()) {
            let (one, another) = (self.label_at(one), other.label_at(another));
            let folded = |octet: &u8| octet.to_ascii_lowercase();
            let order = one.iter().map(folded).cmp(another.iter().map(folded));
            if order.is_ne() {
                return order;
            }
        }
        ours.count.cmp(&theirs.count)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        // Lengths are below the letters, so folding their case changes none.
        self.wire.eq_ignore_ascii_case(&other.wire)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut folded = [0; MAX_NAME];
        let folded = &mut folded[..self.wire.len()];
        folded.copy_from_slice(&self.wire);
        folded.make_ascii_lowercase();
        folded.hash(state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wire.len() == 1 {
            return f.write_char('.');
        }
        for label in self.labels() {
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                        write!(f, "\\{}", char::from(octet))?;
                    }
                    b'!'..=b'~' => f.write_char(octet.into())?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_char('.')?;
        }
        Ok(())
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "." {
            return Ok(Self::root());
        }
        let mut wire = Vec::new();
        let mut label = Vec::new();
        let mut octets = text.bytes();
        while let Some(octet) = octets.next() {
            match octet {
                b'.' => push_label(&mut wire, &mut label, text)?,
                b'\\' => {
                    let escaped = unescape(&mut octets);
                    label.push(escaped.ok_or_else(|| NameError::Escape(shortened(text)))?);
                }
                octet => label.push(octet),
            }
        }
        if !label.is_empty() || text.is_empty() {
            return Err(NameError::Relative(shortened(text)));
        }
        wire.push(0);
        if wire.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        Ok(Self { wire: wire.into() })
    }
}

fn push_label(wire: &mut Vec<u8>, label: &mut Vec<u8>, text: &str) -> Result<(), NameError> {
    let length = u8::try_from(label.len()).ok();
    let length = length.filter(|length| (1..=MAX_LABEL).contains(&usize::from(*length)));
    wire.push(length.ok_or_else(|| NameError::Label(shortened(text)))?);
    wire.append(label);
    Ok(())
}

/// What stands behind a backslash: a character, or three decimal digits.
pub(crate) fn unescape(octets: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let first = octets.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let digits = [first, octets.next()?, octets.next()?];
    let mut value = 0_u16;
    for digit in digits {
        value = value * 10 + u16::try_from(char::from(digit).to_digit(10)?).ok()?;
    }
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for (text, wire) in [
            (".", &b"\x00"[..]),
            ("a.b.", b"\x01a\x01b\x00"),
            (r"a\.b.", b"\x03a.b\x00"),
            (r"\000\255.", b"\x02\x00\xff\x00"),
        ] {
            let name: Name = text.parse().unwrap();
            assert_eq!(name.wire(), wire, "{text}");
            assert_eq!(name.to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let label = "a".repeat(64);
        let long = "abcdefg.".repeat(32);
        for text in [
            "", "..", "a..", ".a.", "a", r"a\", r"\25.", r"\256.", r"\1x1.", &label, &long,
        ] {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
        assert!("abcdefg.".repeat(31).parse::<Name>().is_ok());
        assert_eq!(
            format!("{label}.").parse::<Name>().unwrap_err(),
            NameError::Label(label)
        );
    }

    #[test]
    fn a_name_of_more_than_255_octets_is_refused() {
        let mut wire = b"\x07abcdefg".repeat(31);
        wire.extend_from_slice(b"\x06abcdef\x00");
        assert_eq!(wire.len(), 256);
        assert_eq!(Name::from_wire(&wire), Err(NameError::TooLong));
        wire.drain(..8);
        assert!(Name::from_wire(&wire).is_ok());
    }

    #[test]
    fn the_order_is_canonical() {
        // RFC 4034 §6.1.
        let names = [
            ".",
            "example.",
            "a.example.",
            "yljkjljk.a.example.",
            "Z.a.example.",
            "zABC.a.EXAMPLE.",
            "z.example.",
            r"\001.z.example.",
            "*.z.example.",
            r"\200.z.example.",
        ];
        let names: Vec<Name> = names.iter().map(|name| name.parse().unwrap()).collect();
        assert!(names.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn names_have_ancestors() {
        let name: Name = "A.b.c.".parse().unwrap();
        assert_eq!(name.parent(), Some("b.c.".parse().unwrap()));
        assert_eq!(Name::root().parent(), None);
        for (ancestor, within) in [
            (".", true),
            ("C.", true),
            ("a.B.c.", true),
            ("d.a.b.c.", false),
            ("x.c.", false),
        ] {
            assert_eq!(
                name.is_within(&ancestor.parse().unwrap()),
                within,
                "{ancestor}"
            );
        }
        let lookalike: Name = r"x\001c.".parse().unwrap();
        assert!(!lookalike.is_within(&"c.".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn any_name_survives_its_text(
            labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..10)
        ) {
            let mut wire = Vec::new();
            for label in labels {
                wire.push(u8::try_from(label.len()).unwrap());
                wire.extend_from_slice(&label);
            }
            wire.push(0);
            let name = Name::from_wire(&wire).unwrap();
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }

        #[test]
        fn no_octets_make_it_panic(wire in prop::collection::vec(any::<u8>(), 0..40)) {
            let _refused_or_not = Name::from_wire(&wire);
        }

        #[test]
        fn no_text_makes_it_panic(text in r"[a.\\0-9é ]{0,40}") {
            let _refused_or_not = text.parse::<Name>();
        }
    }
}
