//! XDR (RFC 4506) and libvirt's typed parameters, as far as the calls of a migration use them.

/// Of one string, list or opaque value.
const LONGEST: usize = 4 << 20;
/// libvirt's own limit of parameters in a call of a migration.
const MOST_PARAMETERS: u32 = 64;
/// The type of a parameter that is a text.
const TEXT: u32 = 7;

/// A named parameter of a call. A name may come several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) value: Value,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    /// Its type in libvirt's numbering (1, 2 and 6 have 32 bits, 3 to 5 have 64), and its bits.
    Number(u32, u64),
}

/// The octets are not what they should be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call is malformed: {0}")]
pub(in crate::libvirt) struct Malformed(&'static str);

/// What is left to be read.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    pub(super) fn word(&mut self) -> Result<u32, Malformed> {
        let (word, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*word))
    }

    pub(super) fn opaque(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.word()?).map_err(|_| Malformed("a value is too long"))?;
        if length > LONGEST {
            return Err(Malformed("a value is too long"));
        }
        let padded = length.next_multiple_of(4);
        let (value, rest) = self
            .rest
            .split_at_checked(padded)
            .ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        value.get(..length).ok_or(Malformed("it ends too early"))
    }

    pub(super) fn string(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.opaque()?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    pub(super) fn parameters(&mut self) -> Result<Vec<Parameter>, Malformed> {
        let count = self.word()?;
        if count > MOST_PARAMETERS {
            return Err(Malformed("it has too many parameters"));
        }
        (0..count).map(|_| self.parameter()).collect()
    }

    fn parameter(&mut self) -> Result<Parameter, Malformed> {
        let name = self.string()?.to_owned();
        let value = match self.word()? {
            kind @ (1 | 2 | 6) => Value::Number(kind, u64::from(self.word()?)),
            kind @ 3..=5 => Value::Number(
                kind,
                u64::from(self.word()?) << 32 | u64::from(self.word()?),
            ),
            TEXT => Value::Text(self.string()?.to_owned()),
            _ => return Err(Malformed("a parameter is of an unknown type")),
        };
        Ok(Parameter { name, value })
    }

    pub(super) fn end(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed("something follows it"))
        }
    }
}

/// What is being written.
#[derive(Default)]
pub(super) struct Writer {
    octets: Vec<u8>,
}

impl Writer {
    pub(super) fn word(&mut self, word: u32) {
        self.octets.extend_from_slice(&word.to_be_bytes());
    }

    pub(super) fn opaque(&mut self, value: &[u8]) -> Result<(), Malformed> {
        if value.len() > LONGEST {
            return Err(Malformed("a value is too long"));
        }
        self.word(u32::try_from(value.len()).map_err(|_| Malformed("a value is too long"))?);
        self.octets.extend_from_slice(value);
        self.octets.resize(self.octets.len().next_multiple_of(4), 0);
        Ok(())
    }

    pub(super) fn parameters(&mut self, parameters: &[Parameter]) -> Result<(), Malformed> {
        let count = u32::try_from(parameters.len())
            .ok()
            .filter(|count| *count <= MOST_PARAMETERS)
            .ok_or(Malformed("it has too many parameters"))?;
        self.word(count);
        for Parameter { name, value } in parameters {
            self.opaque(name.as_bytes())?;
            match value {
                Value::Text(text) => {
                    self.word(TEXT);
                    self.opaque(text.as_bytes())?;
                }
                Value::Number(kind, bits) => {
                    self.word(*kind);
                    let octets = bits.to_be_bytes();
                    let unused = if matches!(kind, 3..=5) { 0 } else { 4 };
                    self.octets.extend(octets.iter().skip(unused));
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.octets
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<String>().prop_map(Value::Text),
            (prop_oneof![Just(1), Just(2), Just(6)], any::<u32>())
                .prop_map(|(kind, bits)| Value::Number(kind, u64::from(bits))),
            (3_u32..=5, any::<u64>()).prop_map(|(kind, bits)| Value::Number(kind, bits)),
        ]
    }

    proptest! {
        #[test]
        fn parameters_come_back_as_they_went(
            values in prop::collection::vec((any::<String>(), value()), 0..8),
        ) {
            let parameters: Vec<Parameter> = values
                .into_iter()
                .map(|(name, value)| Parameter { name, value })
                .collect();
            let mut writer = Writer::default();
            writer.parameters(&parameters).unwrap();
            let octets = writer.finish();
            prop_assert_eq!(octets.len() % 4, 0);
            let mut reader = Reader::new(&octets);
            prop_assert_eq!(reader.parameters().unwrap(), parameters);
            prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn any_octets_are_parameters_or_an_error(octets: Vec<u8>) {
            let _ = Reader::new(&octets).parameters();
        }
    }

    #[test]
    fn lengths_reserve_nothing() {
        for octets in [[0xff; 8].as_slice(), &[0, 0, 0, 64], &[0, 0, 0, 65], &[]] {
            assert!(Reader::new(octets).parameters().is_err(), "{octets:?}");
        }
    }
}
