//! ILNP in the DNS (RFC 6742).
//!
//! | module | what it holds |
//! |---|---|
//! | [`name`], [`record`], [`message`] | what DNS messages are made of, as plain data |
//! | [`hickory`] | the only module that knows hickory: messages on the wire |
//! | [`exchange`] | one question to one server |
//! | [`key`], [`tsig`] | keys, and messages signed with them (RFC 8945) |
//! | [`publish`] | keeping a host's records true at its primary servers |
//! | [`rdata`] | the NID, L32, L64 and LP records: wire and presentation formats |
//! | [`resolve`] | from a name to an identifier and Locators |
//! | `server` | the authoritative server (feature `server`) |
//! | [`stub`] | the stub resolver that this host's applications ask |
//! | `zone` | the data of a zone: look-ups and updates (feature `server`) |
#![forbid(unsafe_code)]

pub mod exchange;
#[cfg(all(any(test, fuzzing), feature = "server"))]
pub mod fuzzing;
pub mod hickory;
pub mod key;
pub mod message;
pub mod name;
pub mod publish;
mod raw;
pub mod rdata;
pub mod record;
pub mod resolve;
#[cfg(feature = "server")]
pub mod server;
pub mod stub;
pub mod tsig;
mod utc;
#[cfg(feature = "server")]
pub mod zone;
