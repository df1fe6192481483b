//! ICMPv6 messages (RFC 4443).

use core::net::Ipv6Addr;

use super::checksum;

/// Destination Unreachable.
pub const DESTINATION_UNREACHABLE: u8 = 1;
/// Packet Too Big.
pub const PACKET_TOO_BIG: u8 = 2;
/// Time Exceeded.
pub const TIME_EXCEEDED: u8 = 3;
/// Parameter Problem.
pub const PARAMETER_PROBLEM: u8 = 4;
/// Echo Request.
pub const ECHO_REQUEST: u8 = 128;
/// Echo Reply.
pub const ECHO_REPLY: u8 = 129;
/// ILNPv6 Locator Update (RFC 6743 §7).
pub const LOCATOR_UPDATE: u8 = 156;

/// The code of a Parameter Problem that says "unrecognized IPv6 option".
pub const UNRECOGNIZED_OPTION: u8 = 2;

/// Octets in front of a message's body: type, code, checksum and four more.
pub const HEADER: usize = 8;
/// The largest ICMPv6 error, its IPv6 header included: the smallest MTU of IPv6 (RFC 4443 §2.4(c)).
pub const MAX_ERROR_PACKET: usize = 1280;

/// Whether messages of this type are exchanged by the ends of a session, so that between
/// correspondents they must carry the Nonce (RFC 6741 §11.1, RFC 6744 §7).
///
/// Neighbour Discovery, multicast listener reports and all else that stays on a link do not.
pub const fn is_end_to_end(kind: u8) -> bool {
    is_error(kind) || matches!(kind, ECHO_REQUEST | ECHO_REPLY | LOCATOR_UPDATE)
}

/// Whether messages of this type quote the packet that they are about.
pub const fn is_error(kind: u8) -> bool {
    matches!(
        kind,
        DESTINATION_UNREACHABLE | PACKET_TOO_BIG | TIME_EXCEEDED | PARAMETER_PROBLEM
    )
}

/// An Echo Request, its checksum included.
pub fn echo_request(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    identifier: u16,
    sequence: u16,
    data: &[u8],
) -> Vec<u8> {
    let mut message = vec![ECHO_REQUEST, 0, 0, 0];
    message.extend_from_slice(&identifier.to_be_bytes());
    message.extend_from_slice(&sequence.to_be_bytes());
    message.extend_from_slice(data);
    with_checksum(message, source, destination)
}

/// The message with its checksum written.
pub(super) fn with_checksum(
    mut message: Vec<u8>,
    source: Ipv6Addr,
    destination: Ipv6Addr,
) -> Vec<u8> {
    let sum = checksum::icmpv6(&message, source, destination);
    if let Some(field) = message.get_mut(2..).and_then(<[u8]>::first_chunk_mut) {
        *field = sum.to_be_bytes();
    }
    message
}
