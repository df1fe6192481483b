//! Preferences and lifetimes as Locator Updates and DNS records carry them.

use serde::{Deserialize, Serialize};

/// How much a Locator or identifier is preferred: the lower, the more (RFC 6743 §2). The RFCs call
/// the same value precedence and LPI too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Preference(pub u16);

/// For how many seconds a Locator is good, at most 65535 (RFC 6743 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lifetime(pub u16);

impl Lifetime {
    /// The lifetime of this many seconds, cut to what 16 bits hold.
    pub fn from_secs_clamped(secs: u64) -> Self {
        Self(u16::try_from(secs).unwrap_or(u16::MAX))
    }

    /// The lifetime as a duration.
    pub fn duration(self) -> core::time::Duration {
        core::time::Duration::from_secs(self.0.into())
    }
}
