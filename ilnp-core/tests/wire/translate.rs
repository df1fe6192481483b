//! The one translation rule.

use ilnp_core::drop_reason::DropReason;
use ilnp_core::id::HandlePrefix;
use ilnp_core::wire::translate::{Inward, Outward, Prefixes, classic, inward, outward};
use ilnp_core::wire::{Headers, Offload, Packet, checksum, protocol};
use proptest::prelude::*;

use crate::support::{A, B, LONG, Parts, SHORT, any_nonce, handle, ipv6, nonce, octets, parts};

const HANDLES: Inward = Inward {
    source: HandlePrefix::DEFAULT.locator(),
    destination: HandlePrefix::DEFAULT.locator(),
};
const REAL: Prefixes = Prefixes {
    source: A.locator,
    destination: B.locator,
};

proptest! {
    #[test]
    fn out_and_in_again_is_the_same_packet(parts in parts(), nonce in any_nonce()) {
        let packet = parts.packet();
        let sent = outward(&packet, &to_b(nonce)).unwrap();
        let headers = Headers::parse(&sent.octets).unwrap();
        prop_assert_eq!(inward(&sent, &headers, &HANDLES).unwrap(), packet);
    }

    #[test]
    fn sent_packets_have_locators_and_one_nonce(parts in parts(), nonce in any_nonce()) {
        let packet = parts.packet();
        let sent = outward(&packet, &to_b(nonce)).unwrap();
        let headers = Headers::parse(&sent.octets).unwrap();
        prop_assert_eq!(headers.source, A.address());
        prop_assert_eq!(headers.destination, B.address());
        let found = headers.nonce.clone().unwrap();
        prop_assert_eq!(found.nonce, nonce);
        prop_assert_eq!(found.alone, parts.options.is_none());
        prop_assert_eq!(sent.octets.len(), packet.octets.len() + nonce.length().header_octets());
        prop_assert_eq!(headers.end, sent.octets.len());
        if let Some(fragment) = &headers.fragment {
            prop_assert!(found.header.end <= fragment.header.start);
        }
    }

    #[test]
    fn checksums_of_sent_packets_are_right(parts in parts(), nonce in any_nonce()) {
        let sent = outward(&parts.packet(), &to_b(nonce)).unwrap();
        let headers = Headers::parse(&sent.octets).unwrap();
        let upper = headers.upper_layer(&sent.octets);
        prop_assume!(headers.has_upper_header());
        let right = match parts.protocol {
            protocol::ICMPV6 => checksum::is_valid_icmpv6(upper, A.address(), B.address()),
            protocol::TCP | protocol::UDP => {
                checksum::is_valid_transport(parts.protocol, upper, A.nid, B.nid)
            }
            _ => true,
        };
        prop_assert!(right);
    }

    #[test]
    fn classic_packets_have_classic_checksums(parts in parts()) {
        let packet = parts.packet();
        let sent = classic(&packet, &REAL).unwrap();
        prop_assert_eq!(sent.octets.len(), packet.octets.len());
        let headers = Headers::parse(&sent.octets).unwrap();
        prop_assume!(headers.has_upper_header());
        let upper = headers.upper_layer(&sent.octets);
        prop_assert!(is_classic(parts.protocol, upper));
        let received = classic(&sent, &HANDLES).unwrap();
        let received = headers.upper_layer(&received.octets);
        let expected = headers.upper_layer(&packet.octets);
        prop_assert_eq!(
            checksum::is_valid_transport(parts.protocol, received, A.nid, B.nid),
            checksum::is_valid_transport(parts.protocol, expected, A.nid, B.nid)
        );
    }

    #[test]
    fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        translate_anything(&Packet::new(octets));
    }

    #[test]
    fn no_damage_makes_it_panic(
        parts in parts(),
        nonce in any_nonce(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let sent = outward(&parts.packet(), &to_b(nonce)).unwrap();
        let mut octets = sent.octets.to_vec();
        *at.get_mut(&mut octets) = value;
        translate_anything(&Packet::new(octets.clone()));
        octets.truncate(cut.index(octets.len()));
        translate_anything(&Packet::new(octets));
    }
}

#[test]
fn a_nonce_takes_the_place_behind_the_ipv6_header() {
    let packet = ipv6(handle(A), handle(B), 253, &[1, 2, 3]);
    let sent = outward(&packet, &to_b(nonce(&SHORT))).unwrap();
    assert_eq!(sent.octets[4..8], octets("000b 3c 40"));
    assert_eq!(sent.octets[8..16], A.locator.octets());
    assert_eq!(sent.octets[24..32], B.locator.octets());
    assert_eq!(sent.octets[40..], octets("fd008b04a1b2c3d4 010203"));
}

#[test]
fn a_nonce_precedes_the_fragment_header() {
    let fragment = octets("11 00 0009 00000001 0102030405060708");
    let packet = ipv6(handle(A), handle(B), protocol::FRAGMENT, &fragment);
    let sent = outward(&packet, &to_b(nonce(&SHORT))).unwrap();
    let expected = octets("2c008b04a1b2c3d4 11000009 00000001 0102030405060708");
    assert_eq!(sent.octets[40..], expected);
}

#[test]
fn a_nonce_follows_hop_by_hop_and_routing_headers() {
    let headers = octets("2b00010400000000 fd00040000000000 aa");
    let packet = ipv6(handle(A), handle(B), protocol::HOP_BY_HOP, &headers);
    let sent = outward(&packet, &to_b(nonce(&SHORT))).unwrap();
    let expected = octets("2b00010400000000 3c00040000000000 fd008b04a1b2c3d4 aa");
    assert_eq!(sent.octets[40..], expected);
}

#[test]
fn a_nonce_comes_first_in_a_header_that_is_there() {
    let header = octets("fd00 1e02beef 0100 aa");
    let packet = ipv6(handle(A), handle(B), protocol::DESTINATION_OPTIONS, &header);
    let sent = outward(&packet, &to_b(nonce(&SHORT))).unwrap();
    let expected = octets("fd01 8b04a1b2c3d40100 1e02beef 0100 aa");
    assert_eq!(sent.octets[40..], expected);
    let sent = outward(&packet, &to_b(nonce(&LONG))).unwrap();
    let expected = octets("fd02 8b0c000102030405060708090a0b0100 1e02beef 0100 aa");
    assert_eq!(sent.octets[40..], expected);
}

#[test]
fn options_of_others_keep_their_alignment_when_the_nonce_goes() {
    for (received, delivered) in [
        // The Nonce alone, and alone but for padding.
        ("fd008b04a1b2c3d4 aa", "aa"),
        ("fd018b04a1b2c3d4 0106000000000000 aa", "aa"),
        ("fd01 000000 8b04a1b2c3d4 0103000000 aa", "aa"),
        // Without padding behind it.
        (
            "fd01 8b04a1b2c3d4 1e06112233445566 aa",
            "fd01 010400000000 1e06112233445566 aa",
        ),
        // Behind another option, as CALIPSO has to be.
        (
            "fd01 0704 00000000 8b04a1b2c3d4 0100 aa",
            "fd00 0704 00000000 aa",
        ),
        // With more padding than makes a multiple of 8, and with too large a piece of it.
        (
            "fd02 8b04a1b2c3d4 01050000000000 000000 00 1e02beef 00 aa",
            "fd00 00 1e02beef 00 aa",
        ),
        (
            "fd02 8b04a1b2c3d4 010a00000000000000000000 1e02beef aa",
            "fd00 0100 1e02beef aa",
        ),
    ] {
        let packet = ipv6(
            A.address(),
            B.address(),
            protocol::DESTINATION_OPTIONS,
            &octets(received),
        );
        let headers = Headers::parse(&packet.octets).unwrap();
        let delivered = match octets(delivered).as_slice() {
            [0xaa] => ipv6(handle(A), handle(B), 253, &[0xaa]),
            payload => ipv6(handle(A), handle(B), protocol::DESTINATION_OPTIONS, payload),
        };
        let translated = inward(&packet, &headers, &HANDLES).unwrap();
        assert_eq!(translated, delivered, "{received}");
    }
}

#[test]
fn a_packet_with_a_nonce_gets_no_other() {
    let packet = ipv6(handle(A), handle(B), 253, &[1]);
    let once = outward(&packet, &to_b(nonce(&SHORT))).unwrap();
    let twice = outward(&once, &to_b(nonce(&SHORT)));
    assert_eq!(twice, Err(DropReason::NonceRepeated));
}

#[test]
fn a_packet_that_would_be_too_long_is_refused() {
    for (payload, long, short) in [
        (65520, false, true),
        (65519, true, true),
        (65528, false, false),
    ] {
        let packet = ipv6(handle(A), handle(B), 253, &vec![0; payload]);
        for (value, fits) in [(&LONG[..], long), (&SHORT[..], short)] {
            let sent = outward(&packet, &to_b(nonce(value)));
            let refused = sent == Err(DropReason::PacketTooBig);
            assert_eq!(refused, !fits, "{payload} octets, Nonce of {}", value.len());
        }
    }
    let mut full = vec![1; 2048];
    full[..4].copy_from_slice(&[253, 255, 0x1e, 255]);
    full[259..].fill(0);
    let packet = ipv6(handle(A), handle(B), protocol::DESTINATION_OPTIONS, &full);
    let sent = outward(&packet, &to_b(nonce(&SHORT)));
    assert_eq!(sent, Err(DropReason::PacketTooBig));
}

#[test]
fn octets_behind_the_payload_are_cut_off() {
    let mut octets = ipv6(handle(A), handle(B), 253, &[1]).octets.to_vec();
    octets.extend_from_slice(&[0; 5]);
    let sent = outward(&Packet::new(octets), &to_b(nonce(&SHORT))).unwrap();
    assert_eq!(sent.octets.len(), 40 + 8 + 1);
}

#[test]
fn work_left_to_the_kernel_moves_with_the_headers() {
    let mut packet = tcp().packet();
    packet.offload = Some(Offload {
        flags: 1,
        gso_type: 4,
        header_len: 60,
        segment_len: 1424,
        checksum_start: 40,
        checksum_offset: 16,
    });
    let sent = outward(&packet, &to_b(nonce(&LONG))).unwrap();
    let offload = sent.offload.unwrap();
    assert_eq!((offload.header_len, offload.checksum_start), (76, 56));
    assert_eq!((offload.segment_len, offload.checksum_offset), (1424, 16));
    let headers = Headers::parse(&sent.octets).unwrap();
    assert_eq!(inward(&sent, &headers, &HANDLES).unwrap(), packet);
}

#[test]
fn a_partial_checksum_follows_the_addresses() {
    let upper = octets("c000 0035 000c 0000 696c6e70");
    let pseudo = |packet: &Packet| {
        // A datagram of zeros has the sum of the pseudo-header and its own length field alone.
        let headers = Headers::parse(&packet.octets).unwrap();
        !pnet_packet::util::ipv6_checksum(
            &[0; 12],
            3,
            &[],
            &headers.source,
            &headers.destination,
            pnet_packet::ip::IpNextHeaderProtocols::Udp,
        )
    };
    let mut packet = ipv6(handle(A), handle(B), protocol::UDP, &upper);
    let sum = pseudo(&packet);
    let mut octets = packet.octets.to_vec();
    octets[46..48].copy_from_slice(&sum.to_be_bytes());
    packet.octets = octets.into();
    packet.offload = Some(Offload {
        flags: 1,
        gso_type: 0,
        header_len: 0,
        segment_len: 0,
        checksum_start: 40,
        checksum_offset: 6,
    });
    let sent = classic(&packet, &REAL).unwrap();
    assert_eq!(sent.octets[46..48], pseudo(&sent).to_be_bytes());
    // In an ILNP session the Locators do not count, so the sum stays.
    let sent = outward(&packet, &to_b(nonce(&SHORT))).unwrap();
    assert_eq!(sent.octets[54..56], sum.to_be_bytes());
}

#[test]
fn a_missing_udp_checksum_stays_missing() {
    let packet = ipv6(
        handle(A),
        handle(B),
        protocol::UDP,
        &octets("c0000035000a0000a26c"),
    );
    let sent = classic(&packet, &REAL).unwrap();
    assert_eq!(sent.octets[46..48], [0, 0]);
}

fn translate_anything(packet: &Packet) {
    let _refused_or_not = outward(packet, &to_b(nonce(&LONG)));
    let _refused_or_not = classic(packet, &REAL);
    if let Ok(headers) = Headers::parse(&packet.octets) {
        let delivered = inward(packet, &headers, &HANDLES).expect("its own headers");
        let headers = Headers::parse(&delivered.octets).expect("what was readable stays so");
        assert_eq!(headers.nonce, None);
    }
}

fn tcp() -> Parts {
    Parts {
        hop_by_hop: None,
        routing: None,
        options: None,
        fragment: None,
        protocol: protocol::TCP,
        upper: octets("c000 0050 00000001 00000000 5002 ffff 0000 0000"),
    }
}

fn to_b(nonce: ilnp_core::wire::Nonce) -> Outward {
    Outward {
        source: A.locator,
        destination: B.locator,
        nonce,
    }
}

fn is_classic(number: u8, upper: &[u8]) -> bool {
    // The ILNP rule over whole addresses is the classic one.
    let Some(at) = checksum::field_offset(number) else {
        return true;
    };
    let carried = u16::from_be_bytes([upper[at], upper[at + 1]]);
    let sum = pnet_packet::util::ipv6_checksum(
        upper,
        at / 2,
        &[],
        &A.address(),
        &B.address(),
        pnet_packet::ip::IpNextHeaderProtocol(number),
    );
    carried == sum || (number == protocol::UDP && sum == 0 && carried == 0xffff)
}
