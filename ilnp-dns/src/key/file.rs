//! Key files as `tsig-keygen` writes them, and as `nsupdate -k` and `dig -k` read them:
//!
//! ```text
//! key "vm1.example.org" {
//!     algorithm hmac-sha256;
//!     secret "d2h5IGRvIHlvdSByZWFkIHRoaXM/Cg==";
//! };
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::{Algorithm, TsigKey};
use crate::name::{Name, NameError};

/// Why a key file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("the key file {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not as `tsig-keygen` writes it.
    #[error("{path}:{line}: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, the first being 1.
        line: usize,
        /// What is wrong there.
        problem: KeyProblem,
    },
}

/// What is wrong in a key file. No variant has anything of the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyProblem {
    /// Something else should stand here.
    #[error("expected {0}; `tsig-keygen -a hmac-sha256 NAME` writes a file of the right form")]
    Expected(&'static str),
    /// The key's name is no domain name.
    #[error("the name of the key is no domain name: {0}")]
    Name(#[from] NameError),
    /// An algorithm that is too weak, or unknown.
    #[error("algorithm {0:?} is not supported: use hmac-sha256, hmac-sha384 or hmac-sha512")]
    Algorithm(String),
    /// The secret is no base64.
    #[error("the secret is not base64")]
    Secret,
    /// The secret has no octets.
    #[error("the secret is empty")]
    NoSecret,
    /// A quoted string or comment does not end.
    #[error("a string or comment does not end")]
    Open,
}

impl TsigKey {
    /// Reads a file with one key.
    ///
    /// # Errors
    /// [`KeyFileError`], with the line.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let text = fs::read_to_string(path).map_err(|source| KeyFileError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&Zeroizing::new(text)).map_err(|(line, problem)| KeyFileError::Content {
            path: path.to_owned(),
            line,
            problem,
        })
    }

    /// Reads the text of a file with one key.
    ///
    /// # Errors
    /// The line, the first being 1, and what is wrong there.
    pub fn parse(text: &str) -> Result<Self, (usize, KeyProblem)> {
        let mut tokens = Tokens { rest: text };
        let key = statement(&mut tokens);
        let line = || text[..text.len() - tokens.rest.len()].matches('\n').count() + 1;
        key.map_err(|problem| (line(), problem))
    }
}

/// `key NAME { algorithm NAME; secret BASE64; };` and nothing after it.
fn statement(tokens: &mut Tokens<'_>) -> Result<TsigKey, KeyProblem> {
    tokens.expect("key", "`key`")?;
    let name = tokens.value("the name of the key")?;
    let name: Name = match name.strip_suffix('.') {
        Some(_absolute) => name.parse()?,
        None => format!("{name}.").parse()?,
    };
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
            _ => {
                return Err(KeyProblem::Expected(
                    "`algorithm`, `secret` or `}`, each once",
                ));
            }
        }
        tokens.expect(";", "`;`")?;
    }
    tokens.expect(";", "`;` after `}`")?;
    let key = TsigKey::new(
        name,
        algorithm.ok_or(KeyProblem::Expected("an `algorithm` in the key"))?,
        secret.ok_or(KeyProblem::Expected("a `secret` in the key"))?,
    );
    match tokens.next()? {
        None => Ok(key),
        Some(_more) => Err(KeyProblem::Expected("nothing more: one key a file")),
    }
}

fn read_algorithm(text: &str) -> Result<Algorithm, KeyProblem> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    let found = Algorithm::ALL.into_iter().find(|one| one.name() == name);
    // A mixed-up file may have its secret here.
    found.ok_or_else(|| KeyProblem::Algorithm(text.chars().take(16).collect()))
}

fn read_secret(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
    let secret = BASE64.decode(text.as_bytes());
    let secret = Zeroizing::new(secret.map_err(|_wrong| KeyProblem::Secret)?);
    if secret.is_empty() {
        return Err(KeyProblem::NoSecret);
    }
    Ok(secret)
}

/// Words, quoted strings without their quotes, and the characters `{`, `}` and `;`.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Result<Option<&'a str>, KeyProblem> {
        self.skip_blanks()?;
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let (string, rest) = quoted.split_once('"').ok_or(KeyProblem::Open)?;
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
    fn skip_blanks(&mut self) -> Result<(), KeyProblem> {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with("//") || self.rest.starts_with('#') {
                self.rest = self
                    .rest
                    .split_once('\n')
                    .map_or("", |(_comment, rest)| rest);
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                let (_comment, rest) = comment.split_once("*/").ok_or(KeyProblem::Open)?;
                self.rest = rest;
            } else {
                return Ok(());
            }
        }
    }

    fn expect(&mut self, token: &str, what: &'static str) -> Result<(), KeyProblem> {
        match self.next()? {
            Some(next) if next == token => Ok(()),
            _ => Err(KeyProblem::Expected(what)),
        }
    }

    /// A word or a string.
    fn value(&mut self, what: &'static str) -> Result<&'a str, KeyProblem> {
        match self.next()? {
            Some(value) if !["{", "}", ";"].contains(&value) => Ok(value),
            _ => Err(KeyProblem::Expected(what)),
        }
    }
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
    fn a_mistake_is_told_with_its_line() {
        let weak = GOOD.replace("hmac-sha256", "hmac-md5");
        assert_eq!(
            TsigKey::parse(&weak).unwrap_err(),
            (2, KeyProblem::Algorithm("hmac-md5".into()))
        );
        for (from, to, line, said) in [
            ("key", "kex", 1, "expected `key`"),
            ("vm1.example.org", "a..b", 1, "no domain name"),
            ("algorithm hmac-sha256;", "", 4, "`algorithm` in the key"),
            ("AAEC", "AAE", 3, "not base64"),
            ("AAEC", "", 3, "empty"),
            ("\"AAEC\";", "\"AAEC\"", 4, "expected `;`"),
            ("AAEC\"", "AAEC", 3, "does not end"),
            ("};\n", "};\nkey b {};", 5, "one key a file"),
            ("};\n", "", 4, "or `}`"),
        ] {
            let text = GOOD.replace(from, to);
            let (at, problem) = TsigKey::parse(&text).unwrap_err();
            assert!(problem.to_string().contains(said), "{problem}");
            assert_eq!(at, line, "{problem}");
        }
    }

    #[test]
    fn a_file_is_named_in_its_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vm1.key");
        let missing = TsigKey::read(&path).unwrap_err().to_string();
        assert!(missing.contains("vm1.key"), "{missing}");
        fs::write(&path, "key").unwrap();
        let wrong = TsigKey::read(&path).unwrap_err().to_string();
        assert!(wrong.contains("vm1.key:1: expected"), "{wrong}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r##"(key |[{};"#/* \n]|algorithm |secret |é|AAEC){0,30}"##) {
            let _refused_or_not = TsigKey::parse(&text);
        }
    }
}
