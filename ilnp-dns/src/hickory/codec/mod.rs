//! Messages on the wire (RFC 1035 §4).
//!
//! RDATA stays as it is on the wire, so any type survives a way through this crate (RFC 3597), and
//! a wrong length of a NID is for the zone to refuse and not for the codec.

mod decode;
mod encode;
mod last;
mod layout;
mod name;

pub(crate) use last::last_additional;

#[cfg(test)]
mod tests;

/// Bits of the second word of the header (RFC 1035 §4.1.1, RFC 4035 §3.2).
mod flag {
    pub(super) const RESPONSE: u16 = 0x8000;
    pub(super) const AUTHORITATIVE: u16 = 0x0400;
    pub(super) const TRUNCATED: u16 = 0x0200;
    pub(super) const RECURSION_DESIRED: u16 = 0x0100;
    pub(super) const RECURSION_AVAILABLE: u16 = 0x0080;
    pub(super) const AUTHENTIC_DATA: u16 = 0x0020;
    pub(super) const CHECKING_DISABLED: u16 = 0x0010;
}

/// The DO bit in the TTL field of an OPT record (RFC 6891 §6.1.4).
const DNSSEC_OK: u32 = 0x8000;
