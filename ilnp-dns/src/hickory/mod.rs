//! The only place that knows hickory, so that its next release changes this folder alone.
//!
//! Nothing of hickory leaves it: the rest of the crate sees [`crate::message::Message`] and octets.

mod codec;
#[cfg(feature = "server")]
pub(crate) mod server;
#[cfg(feature = "server")]
pub(crate) mod text;

pub(crate) use codec::last_additional;
