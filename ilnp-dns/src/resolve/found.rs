//! A correspondent as DNS describes it.

use ilnp_core::id::{Locator, Nid, Preference};

use crate::name::Name;

/// A correspondent that speaks ILNP, as the records of its name say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name that was asked for: what to ask for again when the correspondent is lost.
    pub name: Name,
    /// The most preferred identifier that a node may have.
    pub nid: Nid,
    /// Its Locators, best first, each once, never none.
    pub locators: Vec<FoundLocator>,
    /// For how many seconds all of this may be kept: the least TTL of the records that it is
    /// made of. May be 0.
    pub ttl: u32,
}

/// One of a correspondent's Locators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundLocator {
    /// The /64 prefix.
    pub locator: Locator,
    /// The lower, the more preferred. L64 records of the name itself keep theirs; Locators found
    /// through LP records come behind them, in the order of the LP records' preferences, then of
    /// their own.
    pub preference: Preference,
    /// For how many seconds: the TTL of the L64 record, or that of the LP record that led to it
    /// if that is less. May be 0.
    pub ttl: u32,
}
