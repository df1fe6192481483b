//! The stub resolver between an application, a daemon and name servers that do as they are told.
//! Real name servers are in `tests/tests/stub`.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod answers;
mod applications;
mod damage;
mod silence;
mod support;
mod upstream;
