//! Two hosts, and packets between them.

use core::net::Ipv6Addr;

use ilnp_core::id::{Handle, HandlePrefix, IlVector, Locator, Nid};
use ilnp_core::wire::{Nonce, Packet, checksum, protocol};
use proptest::prelude::*;

pub(crate) const A: IlVector = IlVector::new(
    Nid::from_bits(0x0214_4fff_fe20_ee64),
    Locator::from_bits(0x2001_0db8_1140_1000),
);
pub(crate) const B: IlVector = IlVector::new(
    Nid::from_bits(0x0216_6fff_fe22_ee66),
    Locator::from_bits(0x2001_0db8_4140_4000),
);
pub(crate) const SHORT: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];
pub(crate) const LONG: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

pub(crate) fn nonce(value: &[u8]) -> Nonce {
    Nonce::from_slice(value).expect("4 or 12 octets")
}

/// The handle of a host.
pub(crate) fn handle(host: IlVector) -> Ipv6Addr {
    HandlePrefix::DEFAULT.address(Handle::new(host.nid))
}

/// The octets that a text in hex digits says; white space is ignored.
pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("two hex digits"))
        .collect()
}

/// A packet whose payload starts with the header of this number.
pub(crate) fn ipv6(source: Ipv6Addr, destination: Ipv6Addr, next: u8, payload: &[u8]) -> Packet {
    let length = u16::try_from(payload.len()).expect("at most 65535 octets");
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[next, 64]);
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    packet.extend_from_slice(payload);
    Packet::new(packet)
}

/// A packet in parts, so that a test can see what a change did to each.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) hop_by_hop: Option<Vec<u8>>,
    pub(crate) routing: Option<Vec<u8>>,
    /// Options of a Destination Options header, without padding at the end.
    pub(crate) options: Option<Vec<u8>>,
    pub(crate) fragment: Option<[u8; 8]>,
    pub(crate) protocol: u8,
    pub(crate) upper: Vec<u8>,
}

impl Parts {
    /// The packet over the handles of A and B, checksums right.
    pub(crate) fn packet(&self) -> Packet {
        let mut upper = self.upper.clone();
        set_checksum(self.protocol, &mut upper, handle(A), handle(B));
        let mut next = self.protocol;
        let mut payload = upper;
        let options = self.options.clone().map(padded);
        let headers = [
            (
                protocol::FRAGMENT,
                self.fragment.map(|header| header.to_vec()),
            ),
            (protocol::DESTINATION_OPTIONS, options),
            (protocol::ROUTING, self.routing.clone()),
            (protocol::HOP_BY_HOP, self.hop_by_hop.clone()),
        ];
        for (number, header) in headers {
            if let Some(mut header) = header {
                header[0] = next;
                header.append(&mut payload);
                payload = header;
                next = number;
            }
        }
        ipv6(handle(A), handle(B), next, &payload)
    }
}

/// A Destination Options header with these options, padded at the end.
fn padded(options: Vec<u8>) -> Vec<u8> {
    let mut header = vec![0, 0];
    header.extend_from_slice(&options);
    while !header.len().is_multiple_of(8) {
        header.push(0);
    }
    header[1] = u8::try_from(header.len() / 8 - 1).expect("a short header");
    header
}

/// Writes the classic checksum; over handles it is the ILNP one too.
fn set_checksum(number: u8, upper: &mut [u8], source: Ipv6Addr, destination: Ipv6Addr) {
    let Some(at) = checksum::field_offset(number) else {
        return;
    };
    let nid = |address| IlVector::from(address).nid;
    let sum = match number {
        protocol::ICMPV6 => checksum::icmpv6(upper, source, destination),
        _ => checksum::transport(number, upper, nid(source), nid(destination)),
    };
    if let Some(field) = upper.get_mut(at..at + 2) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

/// Packets as applications send them: any mix of extension headers, any upper layer.
pub(crate) fn parts() -> impl Strategy<Value = Parts> {
    let header = |first: u8| {
        prop::option::weighted(
            0.2,
            any::<[u8; 4]>().prop_map(move |data| {
                let mut header = vec![0, 0, first, 4];
                header.extend_from_slice(&data);
                header
            }),
        )
    };
    let hop_by_hop = prop::option::weighted(0.2, Just(vec![0, 0, 1, 4, 0, 0, 0, 0]));
    // An option that no one knows and that is skipped, or a padding.
    let option = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|data| {
            let length = u8::try_from(data.len()).expect("at most 20");
            [&[0x1e, length][..], &data].concat()
        }),
        Just(vec![0]),
        Just(vec![1, 2, 0, 0]),
    ];
    let options = prop::collection::vec(option, 0..4)
        .prop_map(|options| [vec![0x1e, 0], options.concat()].concat());
    let options = prop::option::weighted(0.3, options);
    (hop_by_hop, header(4), options, fragment(), upper()).prop_map(
        |(hop_by_hop, routing, options, fragment, (protocol, upper))| Parts {
            hop_by_hop,
            routing,
            options,
            fragment,
            protocol,
            upper,
        },
    )
}

fn fragment() -> impl Strategy<Value = Option<[u8; 8]>> {
    let header = (0_u16..20, any::<bool>(), any::<u32>()).prop_map(|(units, more, id)| {
        let [a, b] = ((units * 8) | u16::from(more)).to_be_bytes();
        let [c, d, e, f] = id.to_be_bytes();
        [0, 0, a, b, c, d, e, f]
    });
    prop::option::weighted(0.3, header)
}

fn upper() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let data = prop::collection::vec(any::<u8>(), 0..200);
    let number = prop_oneof![
        Just(protocol::TCP),
        Just(protocol::UDP),
        Just(protocol::ICMPV6),
        Just(protocol::NO_NEXT_HEADER),
        Just(253),
    ];
    (number, data).prop_map(|(number, data)| {
        let header: &[u8] = match number {
            protocol::TCP => &[
                0xc0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,
            ],
            protocol::UDP => &[0xc0, 0, 0, 53, 0, 0, 0, 0],
            protocol::ICMPV6 => &[128, 0, 0, 0, 0, 7, 0, 1],
            _ => &[],
        };
        (number, [header, &data].concat())
    })
}

/// A Nonce of either length.
pub(crate) fn any_nonce() -> impl Strategy<Value = Nonce> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|value| nonce(&value)),
        any::<[u8; 12]>().prop_map(|value| nonce(&value)),
    ]
}
