//! What the first octets of the upper layer say.

use pnet_packet::icmpv6::Icmpv6Packet;
use pnet_packet::icmpv6::echo_request::EchoRequestPacket;
use pnet_packet::tcp::TcpPacket;
use pnet_packet::udp::UdpPacket;

use super::{icmpv6, protocol};

/// The upper layer of a packet, as far as sessions are told apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A TCP segment.
    Tcp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// Sequence number.
        sequence: u32,
        /// Acknowledgement number.
        acknowledgement: u32,
        /// The flags: see [`tcp_flags`].
        flags: u8,
    },
    /// A UDP datagram.
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// An ICMPv6 Echo Request or Echo Reply.
    Echo {
        /// Whether it is a request.
        request: bool,
        /// What tells the echoes of different programs apart.
        identifier: u16,
        /// What tells the echoes of one program apart.
        sequence: u16,
    },
    /// Another ICMPv6 message.
    Icmp {
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
    },
    /// Anything else, or too short to tell.
    Other,
}

/// The bits of [`Transport::Tcp`]'s flags.
pub mod tcp_flags {
    pub use pnet_packet::tcp::TcpFlags::{ACK, FIN, PSH, RST, SYN, URG};
}

impl Transport {
    /// Reads what `octets`, the start of an upper layer with this protocol number, say.
    pub fn peek(protocol: u8, octets: &[u8]) -> Self {
        let seen = match protocol {
            protocol::TCP => TcpPacket::new(octets).map(|segment| Self::Tcp {
                source: segment.get_source(),
                destination: segment.get_destination(),
                sequence: segment.get_sequence(),
                acknowledgement: segment.get_acknowledgement(),
                flags: segment.get_flags(),
            }),
            protocol::UDP => UdpPacket::new(octets).map(|datagram| Self::Udp {
                source: datagram.get_source(),
                destination: datagram.get_destination(),
            }),
            protocol::ICMPV6 => Self::peek_icmpv6(octets),
            _ => None,
        };
        seen.unwrap_or(Self::Other)
    }

    fn peek_icmpv6(octets: &[u8]) -> Option<Self> {
        let message = Icmpv6Packet::new(octets)?;
        let kind = message.get_icmpv6_type().0;
        match kind {
            icmpv6::ECHO_REQUEST | icmpv6::ECHO_REPLY => {
                EchoRequestPacket::new(octets).map(|echo| Self::Echo {
                    request: kind == icmpv6::ECHO_REQUEST,
                    identifier: echo.get_identifier(),
                    sequence: echo.get_sequence_number(),
                })
            }
            _ => Some(Self::Icmp {
                kind,
                code: message.get_icmpv6_code().0,
            }),
        }
    }

    /// Source and destination port, where the protocol has them.
    pub const fn ports(&self) -> Option<(u16, u16)> {
        match *self {
            Self::Tcp {
                source,
                destination,
                ..
            }
            | Self::Udp {
                source,
                destination,
            } => Some((source, destination)),
            Self::Echo { .. } | Self::Icmp { .. } | Self::Other => None,
        }
    }
}
