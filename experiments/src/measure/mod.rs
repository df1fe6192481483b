//! What a run measures: arrivals at each end, address changes, Locator Updates in captures.

pub mod addresses;
pub mod capture;
pub mod flow;
pub mod lines;
pub mod updates;
