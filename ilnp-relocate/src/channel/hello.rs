//! The first words of both sides, over TLS and before anything else.

use serde::{Deserialize, Serialize};

use super::PROTOCOL;
use crate::site::Site;

/// The largest hello, in octets.
pub(super) const LARGEST: usize = 1024;

/// The longest reason for a refusal, in characters.
const LONGEST_REASON: usize = 200;

/// The first words. Later versions may say more: what is unknown is ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Hello {
    /// The version of everything that follows.
    pub(super) protocol: u32,
    /// Who speaks. Its certificate must bear this name.
    pub(super) site: Site,
    /// Why the other side is refused, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
}

impl Hello {
    pub(super) fn of(site: &Site) -> Self {
        Self {
            protocol: PROTOCOL,
            site: site.clone(),
            refused: None,
        }
    }

    /// The last words to somebody who is refused.
    pub(super) fn refusal(site: &Site, reason: &str) -> Self {
        let refused = Some(reason.chars().take(LONGEST_REASON).collect());
        Self {
            refused,
            ..Self::of(site)
        }
    }

    pub(super) fn to_octets(&self) -> Vec<u8> {
        // A number and a string always have a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the other side's, and says what is wrong with it.
    pub(super) fn parse(octets: &[u8]) -> Result<Self, String> {
        /// What every version has said.
        #[derive(Deserialize)]
        struct Version {
            protocol: u32,
        }
        let said: Version = serde_json::from_slice(octets)
            .map_err(|reason| format!("its first words cannot be read: {reason}"))?;
        if said.protocol != PROTOCOL {
            return Err(format!(
                "it speaks version {} of the protocol and this agent version {PROTOCOL}: install \
                 the same ilnp-relocate at both sites",
                said.protocol
            ));
        }
        serde_json::from_slice(octets)
            .map_err(|reason| format!("its first words cannot be read: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Hello;

    #[test]
    fn another_version_is_told_whatever_else_it_says() {
        let hello = Hello::of(&"a".parse().unwrap());
        assert_eq!(Hello::parse(&hello.to_octets()), Ok(hello));
        let newer = Hello::parse(br#"{"protocol":2,"greetings":["from tomorrow"]}"#).unwrap_err();
        assert!(newer.contains("it speaks version 2"), "{newer}");
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"protocol":1}"#,
            r#"{"protocol":1,"site":"../x"}"#,
        ] {
            let error = Hello::parse(bad.as_bytes()).unwrap_err();
            assert!(error.contains("cannot be read"), "{error}");
        }
    }
}
