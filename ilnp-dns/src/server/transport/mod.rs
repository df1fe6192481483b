//! Datagrams and connections.

pub(super) mod tcp;
pub(super) mod udp;
