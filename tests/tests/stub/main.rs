//! The stub resolver in front of real resolvers and name servers.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod afresh;
mod dnssec;
mod resolvers;
mod support;
