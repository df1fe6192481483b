//! The connection between two agents: who may talk, what arrives, and what happens when it does not.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod copies;
mod cut;
mod stranger;
mod tap;
mod trust;
mod world;
