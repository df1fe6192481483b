//! The connection between two agents: who may talk, what arrives, and what happens when it does not.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bounds;
mod copies;
mod cut;
mod orders;
mod rogue;
mod stranger;
mod tap;
mod trust;
mod world;
