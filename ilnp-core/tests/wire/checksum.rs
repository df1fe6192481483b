//! The checksum rules, and which messages are between ends.

use ilnp_core::wire::{checksum, icmpv6, protocol};
use proptest::prelude::*;

use crate::support::{A, B, handle};

proptest! {
    #[test]
    fn an_updated_checksum_is_the_recomputed_one(
        mut message in prop::collection::vec(any::<u8>(), 8..80),
        words in any::<[u8; 4]>(),
    ) {
        let (source, destination) = (A.address(), B.address());
        let before = checksum::icmpv6(&message, source, destination);
        let old: [u8; 4] = message[4..8].try_into().unwrap();
        message[4..8].copy_from_slice(&words);
        let after = checksum::icmpv6(&message, source, destination);
        prop_assert_eq!(checksum::update(before, &old, &words), after);
    }

    #[test]
    fn handles_do_not_count(number in prop_oneof![Just(protocol::TCP), Just(protocol::UDP)],
        segment in prop::collection::vec(any::<u8>(), 20..80),
    ) {
        let over_handles = pnet_packet::util::ipv6_checksum(
            &segment,
            checksum::field_offset(number).unwrap() / 2,
            &[],
            &handle(A),
            &handle(B),
            pnet_packet::ip::IpNextHeaderProtocol(number),
        );
        let ilnp = checksum::transport(number, &segment, A.nid, B.nid);
        prop_assert!(ilnp == over_handles || (ilnp, over_handles) == (0xffff, 0));
    }
}

#[test]
fn a_checksum_after_an_update_is_never_ffff() {
    // RFC 1624 §4 has this example of what the older equation got wrong.
    assert_eq!(checksum::update(0xdd2f, &[0x55, 0x55], &[0x32, 0x85]), 0);
}

#[test]
fn only_messages_between_ends_need_a_nonce() {
    let needed: Vec<u8> = (0..=255)
        .filter(|&kind| icmpv6::is_end_to_end(kind))
        .collect();
    assert_eq!(needed, [1, 2, 3, 4, 128, 129, 156]);
}

#[test]
fn a_segment_too_short_for_a_checksum_has_none_that_is_valid() {
    for length in 0..18 {
        let segment = &[0; 18][..length];
        assert!(!checksum::is_valid_transport(
            protocol::TCP,
            segment,
            A.nid,
            B.nid
        ));
    }
    assert!(!checksum::is_valid_icmpv6(
        &[128, 0, 0],
        A.address(),
        B.address()
    ));
}
