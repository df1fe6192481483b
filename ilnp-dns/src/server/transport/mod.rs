//! Datagrams and connections.

mod datagram;
pub(super) mod tcp;
pub(super) mod udp;
