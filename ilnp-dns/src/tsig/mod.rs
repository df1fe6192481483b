//! Signed messages (TSIG, RFC 8945), for the host that publishes and for the server alike.
//!
//! Everything works on the octets of messages, since that is what is signed. Time comes in as
//! seconds since 1970.
//!
//! | who | does |
//! |---|---|
//! | client | [`sign_request`], then [`ResponseVerifier::verify`] for each message of the answer |
//! | server | [`verify_request`], then [`Seal::apply`] for each message of the answer |

mod client;
mod mac;
mod record;
mod seal;
mod server;

#[cfg(test)]
mod tests;

pub use client::{AnswerError, ResponseVerifier, sign_request};
pub use seal::Seal;
pub use server::{Refused, ResponseSigner, verify_request};

/// For how many seconds a signature holds, either way (RFC 8945 §10).
pub const FUDGE: u16 = 300;
