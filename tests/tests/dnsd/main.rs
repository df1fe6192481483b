//! `ilnp-dnsd` as others meet it: with their tools, their secondaries and their resolvers, and with
//! input that is wrong.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as the tests do")]

mod answers;
mod crashes;
mod disk;
mod fixture;
mod malformed;
mod operator;
mod programs;
mod resolvers;
mod secondaries;
mod signatures;
mod updates;
