//! ICMPv6 errors and what they quote.

use core::net::Ipv6Addr;

use ilnp_core::drop_reason::DropReason;
use ilnp_core::id::{HandlePrefix, Locator};
use ilnp_core::wire::icmp_error::{ErrorInward, ErrorOutward, error_inward, error_outward};
use ilnp_core::wire::translate::{Outward, outward};
use ilnp_core::wire::{Headers, IcmpError, Nonce, Packet, checksum, icmpv6, protocol};
use proptest::prelude::*;

use crate::support::{A, B, LONG, SHORT, any_nonce, handle, ipv6, nonce, octets, parts};

const PREFIX: Locator = HandlePrefix::DEFAULT.locator();
const FROM_ROUTER: ErrorInward = ErrorInward {
    own: PREFIX,
    correspondent: PREFIX,
    from_correspondent: false,
};
const ROUTER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);

#[test]
fn packet_too_big_of_a_router_leaves_room_for_the_nonce() {
    let sent = sent(&nonce(&LONG));
    let error = error_packet(ROUTER, icmpv6::PACKET_TOO_BIG, 0, 1400, &sent.octets);
    let delivered = deliver(&error, &FROM_ROUTER).unwrap();
    let headers = Headers::parse(&delivered.octets).unwrap();
    assert_eq!((headers.source, headers.destination), (ROUTER, handle(A)));
    let seen = IcmpError::parse(headers.upper_layer(&delivered.octets)).unwrap();
    assert_eq!(seen.value, 1400 - 16);
    assert_eq!(seen.quote, segment().octets);
    assert!(checksum::is_valid_icmpv6_packet(&delivered, &headers));
}

#[test]
fn an_error_of_the_correspondent_comes_from_its_handle() {
    let sent = sent(&nonce(&SHORT));
    let plain = error_packet(
        B.address(),
        icmpv6::DESTINATION_UNREACHABLE,
        4,
        0,
        &sent.octets,
    );
    let with_nonce = with_nonce(&plain);
    let inward = ErrorInward {
        from_correspondent: true,
        ..FROM_ROUTER
    };
    let delivered = deliver(&with_nonce, &inward).unwrap();
    let expected = error_between(
        handle(B),
        handle(A),
        icmpv6::DESTINATION_UNREACHABLE,
        4,
        0,
        &segment().octets,
    );
    assert_eq!(delivered, expected);
}

#[test]
fn a_pointer_follows_what_it_points_at() {
    let sent = sent(&nonce(&LONG));
    for (pointer, expected) in [(6, 6), (39, 39), (40, 40), (45, 40), (56, 40), (60, 44)] {
        let error = error_packet(ROUTER, icmpv6::PARAMETER_PROBLEM, 0, pointer, &sent.octets);
        let delivered = deliver(&error, &FROM_ROUTER).unwrap();
        let seen = IcmpError::parse(&delivered.octets[40..]).unwrap();
        assert_eq!(seen.value, expected, "{pointer}");
    }
}

#[test]
fn a_refusal_of_the_nonce_points_at_the_option() {
    let sent = sent(&nonce(&LONG));
    let refused = |kind, code, pointer| {
        let error = error_packet(B.address(), kind, code, pointer, &sent.octets);
        let seen = IcmpError::parse(&error.octets[40..]).unwrap();
        seen.refused_nonce().copied()
    };
    assert_eq!(
        refused(icmpv6::PARAMETER_PROBLEM, 2, 42),
        Some(nonce(&LONG))
    );
    assert_eq!(refused(icmpv6::PARAMETER_PROBLEM, 2, 40), None);
    assert_eq!(refused(icmpv6::PARAMETER_PROBLEM, 1, 42), None);
    assert_eq!(refused(icmpv6::PACKET_TOO_BIG, 2, 42), None);
}

#[test]
fn extensions_behind_the_quote_are_cut_off() {
    let sent = sent(&nonce(&SHORT));
    let mut quote = sent.octets.to_vec();
    quote.resize(128, 0);
    quote.extend_from_slice(&octets("2000 dead 0004 0000"));
    let error = error_packet(ROUTER, icmpv6::TIME_EXCEEDED, 0, 16 << 24, &quote);
    let delivered = deliver(&error, &FROM_ROUTER).unwrap();
    let message = &delivered.octets[40..];
    assert_eq!(message[4..8], [0; 4]);
    assert_eq!(message[8..], segment().octets);
}

#[test]
fn a_wrong_checksum_is_not_made_right() {
    let sent = sent(&nonce(&SHORT));
    let error = error_packet(ROUTER, icmpv6::PACKET_TOO_BIG, 0, 1400, &sent.octets);
    let mut octets = error.octets.to_vec();
    octets[47] ^= 1;
    let delivered = deliver(&Packet::new(octets), &FROM_ROUTER);
    assert_eq!(delivered, Err(DropReason::IcmpChecksum));
}

#[test]
fn what_is_no_error_or_quotes_nothing_is_refused() {
    let echo = icmpv6::echo_request(ROUTER, A.address(), 1, 2, b"data");
    let echo = ipv6(ROUTER, A.address(), protocol::ICMPV6, &echo);
    assert_eq!(deliver(&echo, &FROM_ROUTER), Err(DropReason::Malformed));
    let sent = sent(&nonce(&SHORT));
    // In the middle of the quoted Nonce.
    for length in 0..48 {
        let quote = &sent.octets[..length];
        let error = error_packet(ROUTER, icmpv6::TIME_EXCEEDED, 0, 0, quote);
        let delivered = deliver(&error, &FROM_ROUTER);
        assert_eq!(delivered, Err(DropReason::Malformed), "{length}");
    }
}

#[test]
fn an_error_that_fills_a_packet_stays_within_1280_octets() {
    let error = error_between(handle(A), handle(B), 1, 4, 0, &received(1232).octets);
    assert_eq!(error.octets.len(), 1280);
    let sent = error_outward(&error, &to_b(Some(nonce(&LONG)))).unwrap();
    assert_eq!(sent.octets.len(), 1280);
    let headers = Headers::parse(&sent.octets).unwrap();
    assert!(checksum::is_valid_icmpv6_packet(&sent, &headers));
}

proptest! {
    #[test]
    fn errors_of_this_host_quote_what_the_correspondent_sent(
        parts in parts(),
        own in any_nonce(),
        theirs in any_nonce(),
        length in 48_usize..1200,
    ) {
        // A stands for the correspondent here: its packet comes to B, whose kernel objects.
        let original = parts.packet();
        let on_the_wire = outward(&original, &Outward {
            source: A.locator,
            destination: B.locator,
            nonce: theirs,
        }).unwrap();
        let quote = &original.octets[..original.octets.len().min(length)];
        // Half a checksum cannot be made right.
        let halved = Headers::parse(&original.octets).unwrap().upper + 3;
        prop_assume!(parts.protocol != protocol::ICMPV6 || quote.len() != halved);
        let error = error_between(handle(B), handle(A), 1, 4, 0, quote);
        let sent = error_outward(&error, &ErrorOutward {
            source: B.locator,
            destination: A.locator,
            nonce: own,
            quoted_source: A.locator,
            quoted_destination: B.locator,
            quoted_nonce: Some(theirs),
        });
        // Cut in the middle of an extension header.
        prop_assume!(sent != Err(DropReason::Malformed));
        let sent = sent.unwrap();
        let headers = Headers::parse(&sent.octets).unwrap();
        prop_assert_eq!(headers.nonce.as_ref().map(|found| found.nonce), Some(own));
        prop_assert!(checksum::is_valid_icmpv6_packet(&sent, &headers));
        let quoted = &headers.upper_layer(&sent.octets)[8..];
        prop_assert_eq!(quoted, &on_the_wire.octets[..quoted.len()]);
        prop_assert_eq!(quoted.len(), quote.len() + theirs.length().header_octets());

        let inward = ErrorInward { from_correspondent: true, ..FROM_ROUTER };
        prop_assert_eq!(deliver(&sent, &inward).unwrap(), error);
    }

    #[test]
    fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..300), kind in 0_u8..6) {
        let message = [vec![kind], octets].concat();
        if let Ok(error) = IcmpError::parse(&message) {
            let _refused_or_not = error.refused_nonce();
        }
        let packet = with_message(ROUTER, A.address(), message);
        let _refused_or_not = deliver(&packet, &FROM_ROUTER);
        let _refused_or_not = error_outward(&packet, &to_b(Some(nonce(&LONG))));
    }
}

fn deliver(packet: &Packet, inward: &ErrorInward) -> Result<Packet, DropReason> {
    error_inward(packet, &Headers::parse(&packet.octets)?, inward)
}

/// A segment from A to B as A's kernel makes it.
fn segment() -> Packet {
    let tcp = octets("c000 0050 00000001 00000000 5002 ffff 5259 0000");
    ipv6(handle(A), handle(B), protocol::TCP, &tcp)
}

/// The segment on the wire.
fn sent(nonce: &Nonce) -> Packet {
    let outward_to_b = Outward {
        source: A.locator,
        destination: B.locator,
        nonce: *nonce,
    };
    outward(&segment(), &outward_to_b).expect("a plain segment")
}

/// A packet from B as it was delivered to A.
fn received(payload: usize) -> Packet {
    ipv6(handle(B), handle(A), 253, &vec![7; payload - 40])
}

fn to_b(quoted_nonce: Option<Nonce>) -> ErrorOutward {
    ErrorOutward {
        source: A.locator,
        destination: B.locator,
        nonce: nonce(&LONG),
        quoted_source: B.locator,
        quoted_destination: A.locator,
        quoted_nonce,
    }
}

/// An error to A's real address.
fn error_packet(source: Ipv6Addr, kind: u8, code: u8, value: u32, quote: &[u8]) -> Packet {
    error_between(source, A.address(), kind, code, value, quote)
}

fn error_between(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    kind: u8,
    code: u8,
    value: u32,
    quote: &[u8],
) -> Packet {
    let head = [&[kind, code, 0, 0][..], &value.to_be_bytes()].concat();
    with_message(source, destination, [&head, quote].concat())
}

fn with_message(source: Ipv6Addr, destination: Ipv6Addr, mut message: Vec<u8>) -> Packet {
    let sum = checksum::icmpv6(&message, source, destination);
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    ipv6(source, destination, protocol::ICMPV6, &message)
}

/// The same packet with a Nonce of B.
fn with_nonce(packet: &Packet) -> Packet {
    let locators = Outward {
        source: B.locator,
        destination: A.locator,
        nonce: nonce(&SHORT),
    };
    outward(packet, &locators).expect("it has none yet")
}
