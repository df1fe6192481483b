//! ILNP in the DNS (RFC 6742).
//!
//! | module | what it holds |
//! |---|---|
//! | [`rdata`] | the NID, L32, L64 and LP records: wire and presentation formats |
#![forbid(unsafe_code)]

pub mod rdata;
