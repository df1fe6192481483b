//! ILNPv6 (RFC 6740-6744) without input or output.
//!
//! This crate holds the protocol and nothing else: no socket, no clock, no thread and no random
//! source. Packets, link events and the time come in as arguments, randomness as a seed; packets,
//! data-path updates and events are polled out of a [`Node`](node::Node). A handoff under loss,
//! reordering and double moves is therefore a test of microseconds.
//!
//! | module | what it holds |
//! |---|---|
//! | [`id`] | Node Identifiers, Locators, preferences, handles |
//! | [`time`] | the instant that comes in with every input |
//! | [`wire`] | views of and representations for the octets on the wire |
//! | [`ilcc`] | the ILNP Communication Cache (RFC 6741 §5) |
//! | [`node`] | the state machine |
//! | [`relocation`] | what a virtual machine and the agent of its hypervisor say to each other |
//! | `sim` | a virtual clock and links that drive nodes in tests (feature `sim`) |
#![forbid(unsafe_code)]

pub mod drop_reason;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod id;
pub mod ilcc;
pub mod node;
pub mod relocation;
#[cfg(any(test, fuzzing, feature = "sim"))]
pub mod sim;
pub mod time;
pub mod wire;
