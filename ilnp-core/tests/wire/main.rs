//! The octets on the wire, seen from outside the crate.

mod checksum;
mod display;
mod icmp_error;
mod reassembly;
mod support;
mod translate;
mod vectors;
