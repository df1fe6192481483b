//! Publishing a host: its records at every primary server are those of the Locators that work
//! (RFC 6741 §8.1, RFC 2136).
//!
//! Each change of the Locator set is one update, which replaces NID, L64 (or LP) and AAAA of the
//! name together, so that no reader sees an old half and a new one. A handoff that keeps the old
//! Locator for a while gives two changes: both Locators, then the new one alone.
//!
//! | module | what it decides |
//! |---|---|
//! | `records` | what is published, and the update that does it |
//! | `zone_of` | which zone has the name: asked for by SOA |
//! | `primary` | what to send to one primary, and when: no sockets, no clock |
//! | `run` | sends it |

mod primary;
mod problem;
mod records;
mod run;
mod status;
mod zone_of;

pub use problem::Problem;
pub use records::{Publication, Whereabouts};
pub use run::run;
pub use status::{Confirmed, PrimaryStatus, Status, Trying};
