//! What a host's own stack sends and receives: transport messages over addresses, with the
//! checksums that a kernel computes and checks.
//!
//! It is written on `pnet_packet` alone, so that the simulator judges translated packets by another
//! implementation than the one that translated them.

use std::net::{Ipv6Addr, SocketAddrV6};

use bytes::Bytes;
use pnet_packet::Packet as _;
use pnet_packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types, MutableIcmpv6Packet};
use pnet_packet::ip::IpNextHeaderProtocols as protocols;
use pnet_packet::ipv6::{Ipv6Packet, MutableIpv6Packet};
use pnet_packet::tcp::{self, MutableTcpPacket, TcpPacket};
use pnet_packet::udp::{self, MutableUdpPacket, UdpPacket};

const IPV6_HEADER: usize = 40;
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const ICMP_HEADER: usize = 4;
const HOP_LIMIT: u8 = 64;

/// A TCP segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it comes from.
    pub source: SocketAddrV6,
    /// Where it goes.
    pub destination: SocketAddrV6,
    /// Number of the first octet.
    pub sequence: u32,
    /// The octet that is awaited; meaningful with the ACK flag.
    pub acknowledgement: u32,
    /// `TcpFlags::*`.
    pub flags: u8,
    /// The data.
    pub payload: Bytes,
}

/// A UDP datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Where it comes from.
    pub source: SocketAddrV6,
    /// Where it goes.
    pub destination: SocketAddrV6,
    /// The data.
    pub payload: Bytes,
}

/// An ICMPv6 message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Where it comes from.
    pub source: Ipv6Addr,
    /// Where it goes.
    pub destination: Ipv6Addr,
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// What follows the checksum.
    pub body: Bytes,
}

impl Icmp {
    /// Whether it reports an error (types below 128).
    pub fn is_error(&self) -> bool {
        self.kind < Icmpv6Types::EchoRequest.0
    }

    /// The packet that an error quotes: what follows its second word.
    pub fn quote(&self) -> Bytes {
        self.body.slice(4.min(self.body.len())..)
    }
}

/// Any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// TCP.
    Tcp(Segment),
    /// UDP.
    Udp(Datagram),
    /// ICMPv6.
    Icmp(Icmp),
}

/// Why a stack discards a packet that reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Shorter than its headers say.
    #[error("the packet is cut short")]
    Truncated,
    /// The transport checksum does not hold over the packet's addresses.
    #[error("the transport checksum is wrong")]
    Checksum,
    /// No TCP, UDP or ICMPv6 right behind the IPv6 header.
    #[error("protocol {0} is not spoken here")]
    Protocol(u8),
}

impl Message {
    /// Reads a packet as a kernel does on receipt, checksums included.
    ///
    /// # Errors
    /// [`Refused`] for what a kernel would drop.
    pub fn parse(octets: &Bytes) -> Result<Self, Refused> {
        let ip = Ipv6Packet::new(octets).ok_or(Refused::Truncated)?;
        let end = IPV6_HEADER + usize::from(ip.get_payload_length());
        if octets.len() < end {
            return Err(Refused::Truncated);
        }
        let (source, destination) = (ip.get_source(), ip.get_destination());
        let upper = octets.slice(IPV6_HEADER..end);
        match ip.get_next_header() {
            protocols::Tcp => Segment::parse(source, destination, &upper).map(Self::Tcp),
            protocols::Udp => Datagram::parse(source, destination, &upper).map(Self::Udp),
            protocols::Icmpv6 => Icmp::parse(source, destination, &upper).map(Self::Icmp),
            other => Err(Refused::Protocol(other.0)),
        }
    }

    /// The packet.
    pub fn emit(&self) -> Bytes {
        match self {
            Self::Tcp(segment) => segment.emit(),
            Self::Udp(datagram) => datagram.emit(),
            Self::Icmp(icmp) => icmp.emit(),
        }
    }
}

impl Segment {
    fn parse(source: Ipv6Addr, destination: Ipv6Addr, upper: &Bytes) -> Result<Self, Refused> {
        let tcp = TcpPacket::new(upper).ok_or(Refused::Truncated)?;
        if !agree(
            tcp.get_checksum(),
            tcp::ipv6_checksum(&tcp, &source, &destination),
        ) {
            return Err(Refused::Checksum);
        }
        let data = usize::from(tcp.get_data_offset()) * 4;
        if data < TCP_HEADER || data > upper.len() {
            return Err(Refused::Truncated);
        }
        Ok(Self {
            source: SocketAddrV6::new(source, tcp.get_source(), 0, 0),
            destination: SocketAddrV6::new(destination, tcp.get_destination(), 0, 0),
            sequence: tcp.get_sequence(),
            acknowledgement: tcp.get_acknowledgement(),
            flags: tcp.get_flags(),
            payload: upper.slice(data..),
        })
    }

    fn emit(&self) -> Bytes {
        let (source, destination) = (*self.source.ip(), *self.destination.ip());
        let mut upper = vec![0; TCP_HEADER + self.payload.len()];
        if let Some(mut tcp) = MutableTcpPacket::new(&mut upper) {
            tcp.set_source(self.source.port());
            tcp.set_destination(self.destination.port());
            tcp.set_sequence(self.sequence);
            tcp.set_acknowledgement(self.acknowledgement);
            tcp.set_data_offset(5);
            tcp.set_flags(self.flags);
            tcp.set_window(u16::MAX);
            tcp.set_payload(&self.payload);
            tcp.set_checksum(tcp::ipv6_checksum(
                &tcp.to_immutable(),
                &source,
                &destination,
            ));
        }
        packet(source, destination, protocols::Tcp.0, &upper)
    }
}

impl Datagram {
    fn parse(source: Ipv6Addr, destination: Ipv6Addr, upper: &Bytes) -> Result<Self, Refused> {
        let udp = UdpPacket::new(upper).ok_or(Refused::Truncated)?;
        if !agree(
            udp.get_checksum(),
            udp::ipv6_checksum(&udp, &source, &destination),
        ) {
            return Err(Refused::Checksum);
        }
        Ok(Self {
            source: SocketAddrV6::new(source, udp.get_source(), 0, 0),
            destination: SocketAddrV6::new(destination, udp.get_destination(), 0, 0),
            payload: upper.slice(UDP_HEADER..),
        })
    }

    fn emit(&self) -> Bytes {
        let (source, destination) = (*self.source.ip(), *self.destination.ip());
        let mut upper = vec![0; UDP_HEADER + self.payload.len()];
        let length = u16::try_from(upper.len()).unwrap_or(u16::MAX);
        if let Some(mut udp) = MutableUdpPacket::new(&mut upper) {
            udp.set_source(self.source.port());
            udp.set_destination(self.destination.port());
            udp.set_length(length);
            udp.set_payload(&self.payload);
            let sum = udp::ipv6_checksum(&udp.to_immutable(), &source, &destination);
            udp.set_checksum(nonzero(sum));
        }
        packet(source, destination, protocols::Udp.0, &upper)
    }
}

impl Icmp {
    fn parse(source: Ipv6Addr, destination: Ipv6Addr, upper: &Bytes) -> Result<Self, Refused> {
        let icmp = Icmpv6Packet::new(upper).ok_or(Refused::Truncated)?;
        if !agree(
            icmp.get_checksum(),
            icmpv6::checksum(&icmp, &source, &destination),
        ) {
            return Err(Refused::Checksum);
        }
        Ok(Self {
            source,
            destination,
            kind: icmp.get_icmpv6_type().0,
            code: icmp.get_icmpv6_code().0,
            body: Bytes::copy_from_slice(icmp.payload()),
        })
    }

    fn emit(&self) -> Bytes {
        let mut upper = vec![0; ICMP_HEADER + self.body.len()];
        if let Some(mut icmp) = MutableIcmpv6Packet::new(&mut upper) {
            icmp.set_icmpv6_type(icmpv6::Icmpv6Type(self.kind));
            icmp.set_icmpv6_code(icmpv6::Icmpv6Code(self.code));
            icmp.set_payload(&self.body);
            let sum = icmpv6::checksum(&icmp.to_immutable(), &self.source, &self.destination);
            icmp.set_checksum(sum);
        }
        packet(self.source, self.destination, protocols::Icmpv6.0, &upper)
    }
}

/// An IPv6 packet with no header between its own and this payload.
pub fn packet(source: Ipv6Addr, destination: Ipv6Addr, next_header: u8, payload: &[u8]) -> Bytes {
    let mut octets = vec![0; IPV6_HEADER + payload.len()];
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    if let Some(mut ip) = MutableIpv6Packet::new(&mut octets) {
        ip.set_version(6);
        ip.set_payload_length(length);
        ip.set_next_header(pnet_packet::ip::IpNextHeaderProtocol(next_header));
        ip.set_hop_limit(HOP_LIMIT);
        ip.set_source(source);
        ip.set_destination(destination);
        ip.set_payload(payload);
    }
    octets.into()
}

/// A UDP checksum that comes out as zero is sent as all ones (RFC 8200 §8.1).
fn nonzero(checksum: u16) -> u16 {
    if checksum == 0 { u16::MAX } else { checksum }
}

/// Whether two checksums are the same number: one's complement arithmetic has two zeros.
fn agree(one: u16, other: u16) -> bool {
    nonzero(one) == nonzero(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(text: &str) -> SocketAddrV6 {
        text.parse().unwrap()
    }

    fn examples() -> [Message; 3] {
        let (source, destination) = (socket("[2001:db8::1]:4000"), socket("[2001:db8::2]:80"));
        [
            Message::Tcp(Segment {
                source,
                destination,
                sequence: 7,
                acknowledgement: 9,
                flags: tcp::TcpFlags::ACK,
                payload: Bytes::from_static(b"data"),
            }),
            Message::Udp(Datagram {
                source,
                destination,
                payload: Bytes::from_static(b"odd"),
            }),
            Message::Icmp(Icmp {
                source: *source.ip(),
                destination: *destination.ip(),
                kind: 128,
                code: 0,
                body: Bytes::from_static(&[0, 1, 0, 2, 5]),
            }),
        ]
    }

    #[test]
    fn emits_what_it_parses() {
        for message in examples() {
            assert_eq!(Message::parse(&message.emit()), Ok(message));
        }
    }

    #[test]
    fn refuses_a_wrong_checksum_and_every_truncation() {
        for message in examples() {
            let whole = message.emit();
            let mut wrong = whole.to_vec();
            *wrong.last_mut().unwrap() ^= 1;
            assert_eq!(Message::parse(&wrong.into()), Err(Refused::Checksum));
            for end in 0..whole.len() {
                assert!(Message::parse(&whole.slice(..end)).is_err(), "{end}");
            }
        }
    }

    #[test]
    fn computes_the_checksums_of_rfc_8200() {
        // UDP 49152 -> 53 "ilnp" between the addresses of RFC 6740's examples.
        let datagram = Datagram {
            source: socket("[2001:db8:1140:1000:214:4fff:fe20:ee64]:49152"),
            destination: socket("[2001:db8:4140:4000:216:6fff:fe22:ee66]:53"),
            payload: Bytes::from_static(b"ilnp"),
        };
        assert_eq!(datagram.emit()[46..48], [0xcc, 0x98]);
    }
}
