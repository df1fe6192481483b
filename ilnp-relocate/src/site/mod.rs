//! The name of a site.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name, that of a label in the DNS: certificates carry it as one.
const LONGEST: usize = 63;

/// The name of a site: `a`, `london`, `rack-7`.
///
/// Lower-case letters, digits and hyphens, at most 63, beginning with a letter and not ending with
/// a hyphen. So it can stand in a certificate and in the name of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Site(String);

impl Site {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Not the name of a site.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of a site: lower-case letters, digits and hyphens, at most {LONGEST}, \
     beginning with a letter and not ending with a hyphen"
)]
pub struct InvalidSite(String);

impl FromStr for Site {
    type Err = InvalidSite;

    fn from_str(text: &str) -> Result<Self, InvalidSite> {
        let known = |octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if text.len() <= LONGEST
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.bytes().all(known)
        {
            Ok(Self(text.to_owned()))
        } else {
            // Someone else may have chosen it: no more of it than helps.
            Err(InvalidSite(text.chars().take(LONGEST + 1).collect()))
        }
    }
}

impl TryFrom<String> for Site {
    type Error = InvalidSite;

    fn try_from(text: String) -> Result<Self, InvalidSite> {
        text.parse()
    }
}

impl From<Site> for String {
    fn from(site: Site) -> Self {
        site.0
    }
}

#[cfg(test)]
mod tests {
    use super::Site;

    #[test]
    fn takes_what_can_stand_in_a_certificate_and_in_a_file_name() {
        for name in ["a", "london", "rack-7", "x1", &"a".repeat(63)] {
            assert_eq!(name.parse::<Site>().unwrap().as_str(), name);
        }
        let long = "a".repeat(64);
        for name in [
            "", "-", "A", "a.b", "../a", "a-", "7", "7a", "a b", "a\n", "ä", "a/b", &long,
        ] {
            let error = name.parse::<Site>().unwrap_err().to_string();
            assert!(error.contains("is no name of a site"), "{error}");
        }
    }
}
