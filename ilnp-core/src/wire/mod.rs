//! The octets on the wire: views, representations and the one translation rule.
//!
//! | module | what it holds |
//! |---|---|
//! | [`headers`] | where everything in a packet is: Nonce, fragment, upper layer |
//! | [`transport`] | what the upper layer's first octets say |
//! | [`checksum`] | the checksum rules, and RFC 1624 |
//! | [`translate`] | between handles and Locators: the rule that the BPF programs follow too |
//! | [`locator_update`] | RFC 6743 |
//! | [`icmpv6`] | which ICMPv6 messages there are, and which of them end hosts exchange |
//! | [`icmp_error`] | ICMPv6 errors with the packets that they quote, and their translation |
//! | [`fragment`], [`reassembly`] | RFC 8200 §4.5 |
//! | [`build`] | whole packets of this host's own |
//!
//! Nothing here panics, whatever the octets are. What cannot be used is refused with the
//! [`DropReason`](crate::drop_reason::DropReason) that it is counted under.
#![warn(clippy::indexing_slicing)]

pub mod build;
pub mod checksum;
mod display;
mod edit;
pub mod fragment;
pub mod headers;
pub mod icmp_error;
pub mod icmpv6;
pub mod locator_update;
mod nonce;
mod options;
mod packet;
pub mod reassembly;
pub mod translate;
pub mod transport;

pub use headers::{FragmentField, Headers, NonceField};
pub use icmp_error::IcmpError;
pub use locator_update::{LocatorUpdate, Operation, Record};
pub use nonce::{Nonce, NonceLength};
pub use packet::{Offload, Packet};
pub use reassembly::Reassembler;
pub use transport::Transport;

/// Numbers that name the header that follows (IANA "Protocol Numbers").
pub mod protocol {
    /// Hop-by-Hop Options (RFC 8200 §4.3).
    pub const HOP_BY_HOP: u8 = 0;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// Routing (RFC 8200 §4.4).
    pub const ROUTING: u8 = 43;
    /// Fragment (RFC 8200 §4.5).
    pub const FRAGMENT: u8 = 44;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// No Next Header (RFC 8200 §4.7).
    pub const NO_NEXT_HEADER: u8 = 59;
    /// Destination Options (RFC 8200 §4.6).
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// UDP-Lite.
    pub const UDP_LITE: u8 = 136;
}
