//! Key files as `tsig-keygen` writes them, and as `nsupdate -k` and `dig -k` read them:
//!
//! ```text
//! key "vm1.example.org" {
//!     algorithm hmac-sha256;
//!     secret "d2h5IGRvIHlvdSByZWFkIHRoaXM/Cg==";
//! };
//! ```

use std::path::Path;

use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::{Algorithm, TsigKey};
use crate::name::Name;
use ilnp_service::mistake::{FileError, Mistake, Position};

/// A longer file is no key.
const MAX_FILE: u64 = 64 * 1024;

/// What stands at the last token is wrong. No text has anything of the secret in it.
struct Wrong(String);

impl TsigKey {
    /// Reads a file with one key.
    ///
    /// # Errors
    /// [`FileError`], with line and column.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        FileError::load(path, MAX_FILE, |octets| {
            let text = Mistake::unless_text(octets).map_err(|mistake| vec![mistake])?;
            Self::parse(text).map_err(|mistake| vec![mistake])
        })
    }

    /// Reads the text of a file with one key.
    ///
    /// # Errors
    /// The first [`Mistake`].
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let mut tokens = Tokens {
            rest: text,
            last: text,
        };
        key(&mut tokens).map_err(|Wrong(message)| Mistake {
            position: Position::of(text, text.len() - tokens.last.len()),
            message,
        })
    }
}

/// `key NAME { algorithm NAME; secret BASE64; };` and nothing after it.
fn key(tokens: &mut Tokens<'_>) -> Result<TsigKey, Wrong> {
    tokens.expect("key", "`key`")?;
    let name = read_name(tokens.value("the name of the key")?)?;
    tokens.expect("{", "`{` after the name")?;
    let (mut algorithm, mut secret) = (None, None);
    loop {
        match tokens.next()? {
            Some("algorithm") if algorithm.is_none() => {
                algorithm = Some(read_algorithm(tokens.value("an algorithm")?)?);
            }
            Some("secret") if secret.is_none() => {
                secret = Some(read_secret(tokens.value("a secret in base64")?)?);
            }
            Some("}") => break,
            _ => return Err(expected("`algorithm`, `secret` or `}`, each once")),
        }
        tokens.expect(";", "`;`")?;
    }
    let key = TsigKey::new(
        name,
        algorithm.ok_or_else(|| expected("an `algorithm` before this"))?,
        secret.ok_or_else(|| expected("a `secret` before this"))?,
    );
    tokens.expect(";", "`;` after `}`")?;
    match tokens.next()? {
        None => Ok(key),
        Some(_more) => Err(expected("nothing more: one key a file")),
    }
}

fn expected(what: &str) -> Wrong {
    Wrong(format!(
        "expected {what}; `tsig-keygen -a hmac-sha256 NAME` writes a file of the right form"
    ))
}

fn read_name(text: &str) -> Result<Name, Wrong> {
    let absolute = format!("{}.", text.strip_suffix('.').unwrap_or(text));
    let name = absolute.parse();
    name.map_err(|error| Wrong(format!("the name of the key is no domain name: {error}")))
}

fn read_algorithm(text: &str) -> Result<Algorithm, Wrong> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    let found = Algorithm::ALL.into_iter().find(|one| one.name() == name);
    found.ok_or_else(|| {
        // A mixed-up file may have its secret here.
        let start: String = text.chars().take(16).collect();
        let known = Algorithm::ALL.map(Algorithm::name).join(", ");
        Wrong(format!(
            "found the algorithm {start:?}, expected one of {known}"
        ))
    })
}

fn read_secret(text: &str) -> Result<Zeroizing<Vec<u8>>, Wrong> {
    let secret = BASE64.decode(text.as_bytes());
    let secret = secret.map_err(|_wrong| Wrong("the secret is not base64".to_owned()))?;
    if secret.is_empty() {
        return Err(Wrong("the secret is empty".to_owned()));
    }
    Ok(Zeroizing::new(secret))
}

/// Words, quoted strings without their quotes, and the characters `{`, `}` and `;`.
struct Tokens<'a> {
    rest: &'a str,
    /// From the last token on.
    last: &'a str,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Result<Option<&'a str>, Wrong> {
        self.skip_blanks()?;
        self.last = self.rest;
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let (string, rest) = quoted.split_once('"').ok_or_else(open)?;
            self.rest = rest;
            return Ok(Some(string));
        }
        let stop = |c: char| c.is_whitespace() || "{};\"".contains(c);
        let length = match self.rest.find(stop) {
            Some(0) => 1,
            Some(length) => length,
            None => self.rest.len(),
        };
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok((!token.is_empty()).then_some(token))
    }

    /// Skips white space and the three kinds of comments.
    fn skip_blanks(&mut self) -> Result<(), Wrong> {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with("//") || self.rest.starts_with('#') {
                self.rest = self
                    .rest
                    .split_once('\n')
                    .map_or("", |(_comment, rest)| rest);
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                self.last = self.rest;
                let (_comment, rest) = comment.split_once("*/").ok_or_else(open)?;
                self.rest = rest;
            } else {
                return Ok(());
            }
        }
    }

    fn expect(&mut self, token: &str, what: &'static str) -> Result<(), Wrong> {
        match self.next()? {
            Some(next) if next == token => Ok(()),
            _ => Err(expected(what)),
        }
    }

    /// A word or a string.
    fn value(&mut self, what: &'static str) -> Result<&'a str, Wrong> {
        match self.next()? {
            Some(value) if !["{", "}", ";"].contains(&value) => Ok(value),
            _ => Err(expected(what)),
        }
    }
}

fn open() -> Wrong {
    Wrong("a string or comment begins here and does not end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "key \"vm1.example.org\" {\n\talgorithm hmac-sha256;\n\tsecret \"AAEC\";\n};\n";

    #[test]
    fn what_tsig_keygen_writes_is_read() {
        let key = TsigKey::parse(GOOD).unwrap();
        assert_eq!(key.name().to_string(), "vm1.example.org.");
        assert_eq!(key.algorithm(), Algorithm::HmacSha256);
        assert_eq!(*key.secret, [0, 1, 2]);
    }

    #[test]
    fn order_comments_and_case_are_free() {
        let text = "/* a\nb */ key vm1. { // c\n secret AAEC; # d\n algorithm HMAC-SHA512.; };";
        let key = TsigKey::parse(text).unwrap();
        assert_eq!(key.name().to_string(), "vm1.");
        assert_eq!(key.algorithm(), Algorithm::HmacSha512);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (from, to, line, column, said) in [
            ("key", "kex", 1, 1, "expected `key`"),
            ("vm1.example.org", "a..b", 1, 5, "no domain name"),
            (
                "hmac-sha256",
                "hmac-md5",
                2,
                12,
                "found the algorithm \"hmac-md5\"",
            ),
            ("algorithm hmac-sha256;", "", 4, 1, "an `algorithm` before"),
            ("secret \"AAEC\";", "", 4, 1, "a `secret` before"),
            ("AAEC", "AAE", 3, 9, "not base64"),
            ("AAEC", "", 3, 9, "empty"),
            ("\"AAEC\";", "\"AAEC\"", 4, 1, "expected `;`"),
            ("AAEC\"", "AAEC", 3, 9, "does not end"),
            ("};\n", "};\nkey b {};", 5, 1, "one key a file"),
            ("};\n", "", 4, 1, "or `}`"),
            ("};\n", "}; /* ", 4, 4, "does not end"),
        ] {
            let mistake = TsigKey::parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(mistake.message.contains(said), "{mistake:?}");
            assert_eq!(mistake.position, Position { line, column }, "{mistake:?}");
            assert!(!mistake.message.contains("AAEC"), "{mistake:?}");
        }
    }

    #[test]
    fn a_file_is_named_in_its_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vm1.key");
        let missing = TsigKey::read(&path).unwrap_err().to_string();
        assert!(missing.contains("vm1.key"), "{missing}");
        std::fs::write(&path, "key").unwrap();
        let wrong = TsigKey::read(&path).unwrap_err().to_string();
        assert!(wrong.contains("vm1.key:1:4: expected"), "{wrong}");
        std::fs::write(&path, b"key \xff").unwrap();
        assert!(TsigKey::read(&path).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r##"(key |[{};"#/* \n]|algorithm |secret |é|AAEC){0,30}"##) {
            let _refused_or_not = TsigKey::parse(&text);
        }
    }
}
