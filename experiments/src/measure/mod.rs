//! What a run measures: arrivals at each end, address changes, Locator Updates in captures,
//! records at name servers.

pub mod addresses;
pub mod capture;
pub mod flow;
pub(crate) mod frames;
pub mod lines;
pub mod query;
pub mod records;
pub mod updates;
