//! Records of a master file (RFC 1035 §5.1, RFC 2308 §4, RFC 3597 §5).

use super::entry::{Entry, Fault, Word};
use super::rdata::read_fields;
use super::value::{self, unexpected};
use crate::hickory::text;
use crate::name::Name;
use crate::record::{Class, Record, RecordType};
use crate::zone::{fields, rules};

/// What earlier entries say about later ones.
pub(super) struct Reader {
    origin: Name,
    owner: Option<Name>,
    default_ttl: Option<u32>,
    last_ttl: Option<u32>,
    class: Option<Class>,
}

impl Reader {
    pub(super) fn new(origin: Name) -> Self {
        Self {
            origin,
            owner: None,
            default_ttl: None,
            last_ttl: None,
            class: None,
        }
    }

    /// The class of the records: the first that is given, or that of the Internet.
    pub(super) fn class(&self) -> Class {
        self.class.unwrap_or(Class::IN)
    }

    /// Reads an entry, which may be a directive and no record.
    pub(super) fn read(&mut self, entry: &Entry<'_>) -> Result<Option<Record>, Fault> {
        match &*entry.words {
            [first, arguments @ ..] if !entry.indented && is_directive(*first) => {
                self.direct(*first, arguments).map(|()| None)
            }
            words => self.record(words, entry.indented).map(Some),
        }
    }

    fn direct(&mut self, directive: Word<'_>, arguments: &[Word<'_>]) -> Result<(), Fault> {
        let known = |name: &str| directive.text.eq_ignore_ascii_case(name);
        match arguments {
            [origin] if known("$ORIGIN") => self.origin = value::name(*origin, &self.origin)?,
            [ttl] if known("$TTL") => self.default_ttl = Some(value::seconds(*ttl)?),
            _ if known("$ORIGIN") => return Err(unexpected(directive, "$ORIGIN and one name")),
            _ if known("$TTL") => return Err(unexpected(directive, "$TTL and one time")),
            _ => {
                let expected = "$ORIGIN or $TTL; write the records themselves into this file";
                return Err(unexpected(directive, expected));
            }
        }
        Ok(())
    }

    fn record(&mut self, words: &[Word<'_>], indented: bool) -> Result<Record, Fault> {
        let start = words.first().map_or(0, |word| word.offset);
        let mut words = words;
        if !indented && let Some(owner) = next(&mut words) {
            self.owner = Some(value::name(owner, &self.origin)?);
        }
        let (ttl, class) = self.ttl_and_class(&mut words)?;
        let Some(word) = next(&mut words) else {
            return Err(Fault::new(start, "found no record type behind the name"));
        };
        let rtype = record_type(word)?;
        let name = self.owner.clone();
        let name = name.ok_or_else(|| Fault::new(start, "found no name, nor one before it"))?;
        let ttl = ttl.or(self.default_ttl).or(self.last_ttl);
        let no_ttl = || unexpected(word, "a TTL before it, or $TTL at the top of the file");
        let record = Record {
            rdata: self.rdata(rtype, word, words)?.into(),
            ttl: ttl.ok_or_else(no_ttl)?,
            name,
            rtype,
            class,
        };
        let wrong = |error: rules::ZoneError| Fault::new(word.offset, error.to_string());
        rules::check_rdata(&record).map_err(wrong)?;
        Ok(record)
    }

    /// Reads the TTL and the class, which come in either order or not at all.
    fn ttl_and_class(&mut self, words: &mut &[Word<'_>]) -> Result<(Option<u32>, Class), Fault> {
        let (mut ttl, mut found) = (None, None);
        while let Some(word) = words.first().copied() {
            if ttl.is_none() && value::is_time(word) {
                ttl = Some(value::seconds(word)?);
            } else if let Some(class) = class(word).filter(|_| found.is_none()) {
                found = Some(class);
                if *self.class.get_or_insert(class) != class {
                    return Err(unexpected(word, "the class of the records before"));
                }
            } else {
                break;
            }
            next(words);
        }
        self.last_ttl = ttl.or(self.last_ttl);
        Ok((ttl, found.unwrap_or_else(|| self.class())))
    }

    fn rdata(
        &self,
        rtype: RecordType,
        type_word: Word<'_>,
        words: &[Word<'_>],
    ) -> Result<Vec<u8>, Fault> {
        let last = words.last().unwrap_or(&type_word);
        let behind = last.offset + last.text.len();
        match words {
            [mark, words @ ..] if mark.text == r"\#" && !mark.quoted => unknown(*mark, words),
            words => match fields::of(rtype) {
                Some(fields) => {
                    let mut words = words.iter().copied();
                    let rdata = read_fields(fields, &mut words, &self.origin, behind)?;
                    match words.next() {
                        Some(word) => Err(unexpected(word, "the end of the record")),
                        None => Ok(rdata),
                    }
                }
                None => self.other(rtype, type_word, words),
            },
        }
    }

    /// RDATA of a type that hickory can read.
    fn other(
        &self,
        rtype: RecordType,
        type_word: Word<'_>,
        words: &[Word<'_>],
    ) -> Result<Vec<u8>, Fault> {
        let mut texts = Vec::new();
        for (index, word) in words.iter().enumerate() {
            if text::name_index(rtype) == Some(index) {
                texts.push(value::name(*word, &self.origin)?.to_string());
            } else if word.quoted {
                texts.push(format!("\"{}\"", word.text));
            } else {
                texts.push(word.text.to_owned());
            }
        }
        text::rdata(rtype, &texts.join(" ")).map_err(|why| {
            let generic = r"RDATA of any type can be written as \#, its length and hex digits";
            Fault::new(
                type_word.offset,
                format!("cannot read {rtype} RDATA: {why}; {generic}"),
            )
        })
    }
}

fn is_directive(word: Word<'_>) -> bool {
    !word.quoted && word.text.starts_with('$')
}

fn next<'a>(words: &mut &[Word<'a>]) -> Option<Word<'a>> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    Some(*first)
}

fn class(word: Word<'_>) -> Option<Class> {
    let is = |name: &str| !word.quoted && word.text.eq_ignore_ascii_case(name);
    let known = [Class::IN, Class(3), Class(4)];
    let named = known.into_iter().find(|class| is(&class.to_string()));
    let number = || {
        let (prefix, number) = word.text.split_at_checked(5)?;
        let numbered = !word.quoted && prefix.eq_ignore_ascii_case("CLASS");
        number.parse().ok().filter(|_| numbered).map(Class)
    };
    named.or_else(number)
}

fn record_type(word: Word<'_>) -> Result<RecordType, Fault> {
    let known = RecordType::from_mnemonic(word.text).or_else(|| text::record_type(word.text));
    let known = known.filter(|_| !word.quoted);
    known.ok_or_else(|| unexpected(word, "a TTL, a class or a record type"))
}

/// RDATA of any type: its length and hex digits (RFC 3597 §5).
fn unknown(mark: Word<'_>, words: &[Word<'_>]) -> Result<Vec<u8>, Fault> {
    let [length, words @ ..] = words else {
        return Err(unexpected(mark, r"\#, a length and hex digits"));
    };
    let length: u16 = value::decimal(*length, "a length of at most 65535 octets")?;
    let mut digits = Vec::new();
    for word in words {
        for digit in word.text.chars() {
            let digit = digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok());
            digits.push(digit.ok_or_else(|| unexpected(*word, "hex digits"))?);
        }
    }
    if digits.len() != 2 * usize::from(length) {
        let found = digits.len();
        let message = format!("found {found} hex digits, expected two for each of {length} octets");
        return Err(Fault::new(mark.offset, message));
    }
    Ok(digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect())
}
