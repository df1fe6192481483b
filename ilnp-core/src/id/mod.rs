//! Names of nodes and places: Node Identifiers, Locators and what is made of them.

mod groups;
mod handle;
mod il_vector;
mod locator;
mod nid;
mod preference;

pub use groups::{Groups, NotGroups};
pub use handle::{Handle, HandlePrefix, NotChecksumNeutral};
pub use il_vector::IlVector;
pub use locator::Locator;
pub use nid::Nid;
pub use preference::{Lifetime, Preference};

/// A text that is not a Node Identifier or Locator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {expected}")]
pub struct ParseIdError {
    /// The text as it was given.
    pub found: String,
    /// What would have been accepted.
    pub expected: &'static str,
}

/// Serialises through `Display` and `FromStr`, so that files and the API show what people write.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
