//! Octet for octet: Nonce headers, Locator Updates and checksums of two hosts, A and B.

use ilnp_core::drop_reason::DropReason;
use ilnp_core::id::{Lifetime, Locator, Preference};
use ilnp_core::wire::{
    Headers, LocatorUpdate, Operation, Record, build, checksum, headers, protocol,
};

use proptest::prelude::*;

use crate::support::{A, B, LONG, SHORT, nonce, octets};

const RECORDS: &str = "20010db811401000000a012c 20010db8214020000014012c";

#[test]
fn a_32_bit_nonce_alone_is_a_header_of_8_octets() {
    let packet = build::icmpv6(A, B, &nonce(&SHORT), &[]);
    assert_eq!(packet.octets[40..], octets("3a008b04 a1b2c3d4"));
}

#[test]
fn a_96_bit_nonce_alone_is_a_header_of_16_octets() {
    let packet = build::icmpv6(A, B, &nonce(&LONG), &[]);
    let expected = octets("3a018b0c 000102030405060708090a0b");
    assert_eq!(packet.octets[40..], expected);
}

#[test]
fn a_gratuitous_packet_is_a_nonce_and_nothing_else() {
    let packet = build::gratuitous(A, B, &nonce(&SHORT));
    assert_eq!(packet.octets[40..], octets("3b008b04 a1b2c3d4"));
    let headers = Headers::parse(&packet.octets).unwrap();
    assert_eq!(headers.protocol, protocol::NO_NEXT_HEADER);
    assert_eq!(headers.upper, packet.octets.len());
}

#[test]
fn an_advertisement_is_the_known_packet() {
    let message = advertisement().emit(A.address(), B.address());
    assert_eq!(message, octets(&format!("9c000610 02010000 {RECORDS}")));
    let packet = build::icmpv6(A, B, &nonce(&SHORT), &message);
    let expected = octets(&format!(
        "6000000000283c40 20010db81140100002144ffffe20ee64 20010db84140400002166ffffe22ee66
         3a008b04a1b2c3d4 9c000610 02010000 {RECORDS}"
    ));
    assert_eq!(packet.octets, expected);

    let headers = Headers::parse(&packet.octets).unwrap();
    let found = headers.nonce.clone().unwrap();
    assert_eq!(found.nonce, nonce(&SHORT));
    assert_eq!((found.header, found.option), (40..48, 42..48));
    assert!(found.alone);
    assert!(checksum::is_valid_icmpv6_packet(&packet, &headers));
    let parsed = LocatorUpdate::parse(headers.upper_layer(&packet.octets));
    assert_eq!(parsed, Ok(advertisement()));
}

#[test]
fn an_acknowledgement_repeats_the_body() {
    let acknowledgement = advertisement().acknowledgement();
    let message = acknowledgement.emit(B.address(), A.address());
    assert_eq!(message, octets(&format!("9c00060f 02020000 {RECORDS}")));
    let parsed = LocatorUpdate::parse(&message).unwrap();
    assert_eq!(parsed.operation(), Operation::Acknowledgement);
}

#[test]
fn an_update_whose_checksum_leaves_the_locators_out_is_wrong() {
    let valid = |sum: &str| {
        let message = octets(&format!("9c00{sum} 02010000 {RECORDS}"));
        checksum::is_valid_icmpv6(&message, A.address(), B.address())
    };
    assert!(valid("0610"));
    assert!(!valid("0403"));
}

#[test]
fn a_tcp_checksum_leaves_the_locators_out() {
    let syn = octets("c000 0050 00000001 00000000 5002 ffff 0000 0000");
    assert_eq!(
        checksum::transport(protocol::TCP, &syn, A.nid, B.nid),
        0x5259
    );
    let syn = octets("c000 0050 00000001 00000000 5002 ffff 5259 0000");
    assert!(checksum::is_valid_transport(
        protocol::TCP,
        &syn,
        A.nid,
        B.nid
    ));
    let classic = octets("c000 0050 00000001 00000000 5002 ffff 5466 0000");
    assert!(!checksum::is_valid_transport(
        protocol::TCP,
        &classic,
        A.nid,
        B.nid
    ));
}

#[test]
fn a_udp_checksum_leaves_the_locators_out_and_is_never_zero() {
    let datagram = octets("c000 0035 000c 0000 696c6e70");
    assert_eq!(
        checksum::transport(protocol::UDP, &datagram, A.nid, B.nid),
        0xca8b
    );
    let zero = octets("c000 0035 000a 0000 a26c");
    assert_eq!(
        checksum::transport(protocol::UDP, &zero, A.nid, B.nid),
        0xffff
    );
}

#[test]
fn reserved_is_ignored_and_repeated() {
    let received = octets(&format!("9c00ffff 02011234 {RECORDS}"));
    let answer = LocatorUpdate::parse(&received).unwrap().acknowledgement();
    let message = answer.emit(B.address(), A.address());
    assert_eq!(message[4..], octets(&format!("02021234 {RECORDS}")));
}

#[test]
fn updates_that_contradict_themselves_are_refused() {
    for (why, message) in [
        ("empty", String::new()),
        ("cut header", "9c000000 020100".to_owned()),
        ("wrong type", format!("9b000000 02010000 {RECORDS}")),
        ("wrong code", format!("9c010000 02010000 {RECORDS}")),
        ("operation 0", format!("9c000000 02000000 {RECORDS}")),
        ("operation 3", format!("9c000000 02030000 {RECORDS}")),
        ("operation 255", format!("9c000000 02ff0000 {RECORDS}")),
        ("no Locator", "9c000000 00010000".to_owned()),
        (
            "no Locator but a record",
            format!("9c000000 00010000 {RECORDS}"),
        ),
        (
            "more than there are",
            format!("9c000000 ff010000 {RECORDS}"),
        ),
        (
            "fewer than there are",
            format!("9c000000 01010000 {RECORDS}"),
        ),
        ("octets behind", format!("9c000000 02010000 {RECORDS} 00")),
    ] {
        let parsed = LocatorUpdate::parse(&octets(&message));
        assert_eq!(parsed, Err(DropReason::UpdateMalformed), "{why}");
    }
}

#[test]
fn an_update_has_1_to_255_locators() {
    let record = advertisement().records()[0];
    assert_eq!(LocatorUpdate::advertisement(Vec::new()), None);
    assert_eq!(LocatorUpdate::advertisement(vec![record; 256]), None);
    let full = LocatorUpdate::advertisement(vec![record; 255]).unwrap();
    let message = full.emit(A.address(), B.address());
    assert_eq!(message.len(), 3068);
    assert_eq!(LocatorUpdate::parse(&message), Ok(full));
}

#[test]
fn an_update_cut_short_anywhere_is_refused() {
    let message = advertisement().emit(A.address(), B.address());
    for length in 0..message.len() {
        let parsed = LocatorUpdate::parse(&message[..length]);
        assert_eq!(parsed, Err(DropReason::UpdateMalformed), "{length} octets");
    }
}

#[test]
fn a_packet_cut_short_anywhere_is_refused() {
    let message = advertisement().emit(A.address(), B.address());
    let packet = build::icmpv6(A, B, &nonce(&LONG), &message);
    for length in 0..packet.octets.len() {
        let parsed = Headers::parse(&packet.octets[..length]);
        assert_eq!(parsed, Err(DropReason::Malformed), "{length} octets");
    }
    for length in headers::IPV6_HEADER + 16..packet.octets.len() {
        let quoted = Headers::parse_quoted(&packet.octets[..length]).unwrap();
        assert_eq!(quoted.nonce.unwrap().nonce, nonce(&LONG));
    }
}

proptest! {
    #[test]
    fn any_update_is_read_as_it_was_written(
        records in prop::collection::vec(any::<(u64, u16, u16)>(), 1..256)
    ) {
        let records = records.into_iter().map(|(locator, preference, lifetime)| Record {
            locator: Locator::from_bits(locator),
            preference: Preference(preference),
            lifetime: Lifetime(lifetime),
        });
        let update = LocatorUpdate::advertisement(records.collect()).unwrap();
        for update in [update.acknowledgement(), update] {
            let message = update.emit(A.address(), B.address());
            prop_assert!(checksum::is_valid_icmpv6(&message, A.address(), B.address()));
            prop_assert_eq!(LocatorUpdate::parse(&message), Ok(update));
        }
    }

    #[test]
    fn no_octets_make_it_panic(message in prop::collection::vec(any::<u8>(), 0..100)) {
        let _refused_or_not = LocatorUpdate::parse(&message);
    }
}

fn advertisement() -> LocatorUpdate {
    let record = |locator, preference| Record {
        locator: Locator::from_bits(locator),
        preference: Preference(preference),
        lifetime: Lifetime(300),
    };
    let records = vec![
        record(0x2001_0db8_1140_1000, 10),
        record(0x2001_0db8_2140_2000, 20),
    ];
    LocatorUpdate::advertisement(records).expect("two Locators")
}
