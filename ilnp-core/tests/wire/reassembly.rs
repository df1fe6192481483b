//! Fragments: cutting packets up and putting them together.

use core::time::Duration;

use ilnp_core::drop_reason::DropReason;
use ilnp_core::time::Instant;
use ilnp_core::wire::fragment::split;
use ilnp_core::wire::reassembly::Limits;
use ilnp_core::wire::translate::{Outward, outward};
use ilnp_core::wire::{Headers, Packet, Reassembler, build, protocol};
use proptest::prelude::*;

use crate::support::{A, B, LONG, SHORT, any_nonce, handle, ipv6, nonce, octets, parts};

const NOW: Instant = Instant::ZERO;

proptest! {
    #[test]
    fn fragments_make_the_packet_again_in_any_order(
        parts in parts(),
        nonce in any_nonce(),
        mtu in 160_usize..400,
        seed in any::<[usize; 8]>(),
    ) {
        prop_assume!(parts.fragment.is_none());
        let packet = outward(&parts.packet(), &Outward {
            source: A.locator,
            destination: B.locator,
            nonce,
        }).unwrap();
        let mut fragments = split(&packet, mtu, 7).unwrap();
        for (index, swap) in seed.iter().enumerate() {
            let length = fragments.len();
            fragments.swap(index % length, swap % length);
        }
        for fragment in &fragments {
            prop_assert!(fragment.octets.len() <= mtu);
            let headers = Headers::parse(&fragment.octets);
            // A first fragment may end within the application's own options.
            let own = headers.map(|headers| headers.nonce.map(|found| found.nonce));
            prop_assert!(own == Ok(Some(nonce)) || parts.options.is_some());
        }
        prop_assume!(fragments.iter().all(|fragment| Headers::parse(&fragment.octets).is_ok()));
        let mut reassembler = Reassembler::new(Limits::default());
        let (last, others) = fragments.split_last().unwrap();
        for fragment in others {
            prop_assert_eq!(push(&mut reassembler, NOW, fragment), Ok(None));
        }
        prop_assert_eq!(push(&mut reassembler, NOW, last), Ok(Some(packet)));
        prop_assert_eq!(reassembler.poll_timeout(), None);
    }

    #[test]
    fn no_fragments_make_it_panic(
        fragments in prop::collection::vec((0_u16..6, any::<bool>(), 0_usize..4, 0_u8..2), 0..30)
    ) {
        let mut reassembler = Reassembler::new(Limits { packets: 2, octets: 64, ..Limits::default() });
        for (offset, more, length, id) in fragments {
            let packet = fragment(offset * 8, more, id, &vec![id; length * 4]);
            let _kept_or_not = push(&mut reassembler, NOW, &packet);
        }
    }
}

#[test]
fn a_full_locator_update_goes_in_three_fragments() {
    let packet = build::icmpv6(A, B, &nonce(&LONG), &[0; 3068]);
    let fragments = split(&packet, 1280, 9).unwrap();
    let lengths: Vec<_> = fragments
        .iter()
        .map(|fragment| fragment.octets.len())
        .collect();
    assert_eq!(lengths, [1280, 1280, 700]);
    assert_eq!(
        fragments[1].octets[40..64],
        octets("2c018b0c 000102030405060708090a0b 3a0004c1 00000009")
    );
}

#[test]
fn a_small_packet_is_not_cut() {
    let packet = build::gratuitous(A, B, &nonce(&SHORT));
    assert_eq!(split(&packet, 48, 1), Ok(vec![packet.clone()]));
    assert_eq!(split(&packet, 47, 1), Err(DropReason::PacketTooBig));
}

#[test]
fn a_fragment_that_arrives_twice_does_no_harm() {
    let mut reassembler = Reassembler::new(Limits::default());
    for _ in 0..3 {
        assert_eq!(
            push(&mut reassembler, NOW, &fragment(0, true, 1, &[1; 8])),
            Ok(None)
        );
    }
    let whole = push(&mut reassembler, NOW, &fragment(8, false, 1, &[2])).unwrap();
    assert_eq!(
        whole.unwrap(),
        ipv6(handle(A), handle(B), 253, &[1, 1, 1, 1, 1, 1, 1, 1, 2])
    );
}

#[test]
fn overlapping_fragments_drop_their_packet_for_good() {
    let overlaps = [
        // Inside, across the start, across the end, same place but other octets.
        fragment(16, true, 1, &[9; 8]),
        fragment(0, true, 1, &[9; 16]),
        fragment(24, true, 1, &[9; 16]),
        fragment(8, true, 1, &[9; 24]),
    ];
    for overlap in overlaps {
        let mut reassembler = Reassembler::new(Limits::default());
        assert_eq!(
            push(&mut reassembler, NOW, &fragment(8, true, 1, &[1; 24])),
            Ok(None)
        );
        for packet in [
            overlap,
            fragment(0, true, 1, &[1; 8]),
            fragment(32, false, 1, &[1]),
        ] {
            let refused = push(&mut reassembler, NOW, &packet);
            assert_eq!(refused, Err(DropReason::Fragment));
        }
        let other = fragment(0, false, 2, &[1]);
        assert!(push(&mut reassembler, NOW, &other).unwrap().is_some());
    }
}

#[test]
fn fragments_that_disagree_on_the_end_are_refused() {
    for (first, second) in [
        (
            fragment(16, false, 1, &[1; 8]),
            fragment(32, false, 1, &[1; 8]),
        ),
        (
            fragment(16, false, 1, &[1; 8]),
            fragment(24, true, 1, &[1; 8]),
        ),
        (
            fragment(24, true, 1, &[1; 8]),
            fragment(16, false, 1, &[1; 8]),
        ),
    ] {
        let mut reassembler = Reassembler::new(Limits::default());
        assert_eq!(push(&mut reassembler, NOW, &first), Ok(None));
        let refused = push(&mut reassembler, NOW, &second);
        assert_eq!(refused, Err(DropReason::Fragment));
    }
}

#[test]
fn impossible_lengths_are_malformed() {
    for packet in [
        fragment(0, true, 1, &[1; 7]),
        fragment(0, true, 1, &[]),
        fragment(65528, false, 1, &[1; 8]),
    ] {
        let mut reassembler = Reassembler::new(Limits::default());
        let refused = push(&mut reassembler, NOW, &packet);
        assert_eq!(refused, Err(DropReason::Malformed));
        assert_eq!(reassembler.poll_timeout(), None);
    }
}

#[test]
fn a_packet_that_would_be_too_long_is_malformed() {
    let mut reassembler = Reassembler::new(Limits::default());
    let first = octets("fe0d 010400000000").into_iter().chain([0; 104]);
    let first: Vec<u8> = first.chain([1; 16]).collect();
    let head = ipv6(
        handle(A),
        handle(B),
        protocol::HOP_BY_HOP,
        &octets("2c00010400000000"),
    );
    let mut head = head.octets.to_vec();
    head.extend_from_slice(&fragment(0, true, 1, &first).octets[40..]);
    head[5] = u8::try_from(head.len() - 40).unwrap();
    assert_eq!(push(&mut reassembler, NOW, &Packet::new(head)), Ok(None));
    let middle = fragment(128, true, 1, &vec![0; 65392]);
    assert_eq!(push(&mut reassembler, NOW, &middle), Ok(None));
    let last = fragment(65520, false, 1, &[0; 15]);
    assert_eq!(
        push(&mut reassembler, NOW, &last),
        Err(DropReason::Malformed)
    );
}

#[test]
fn a_fragment_with_another_nonce_is_of_another_packet() {
    let part = |value: &[u8], packet: Packet| {
        let locators = Outward {
            source: A.locator,
            destination: B.locator,
            nonce: nonce(value),
        };
        outward(&packet, &locators).unwrap()
    };
    let mut reassembler = Reassembler::new(Limits::default());
    let first = part(&LONG, fragment(0, true, 1, &[1; 8]));
    assert_eq!(push(&mut reassembler, NOW, &first), Ok(None));
    let forged = part(&SHORT, fragment(8, false, 1, &[2]));
    assert_eq!(push(&mut reassembler, NOW, &forged), Ok(None));
    let genuine = part(&LONG, fragment(8, false, 1, &[3]));
    let whole = push(&mut reassembler, NOW, &genuine).unwrap().unwrap();
    assert_eq!(whole.octets.last(), Some(&3));
}

#[test]
fn a_nonce_in_the_first_fragment_alone_is_the_packets_nonce() {
    let first = octets("fd008b04a1b2c3d4 0102030405060708");
    let packet = |offset, more, part: &[u8]| {
        let next = protocol::DESTINATION_OPTIONS;
        let mut packet = fragment(offset, more, 1, part).octets.to_vec();
        packet[40] = next;
        Packet::new(packet)
    };
    let mut reassembler = Reassembler::new(Limits::default());
    assert_eq!(
        push(&mut reassembler, NOW, &packet(16, false, &[9])),
        Ok(None)
    );
    let whole = push(&mut reassembler, NOW, &packet(0, true, &first));
    let whole = whole.unwrap().unwrap();
    let headers = Headers::parse(&whole.octets).unwrap();
    assert_eq!(headers.nonce.map(|found| found.nonce), Some(nonce(&SHORT)));
    assert_eq!(headers.fragment, None);
}

#[test]
fn packets_that_stay_incomplete_are_given_up() {
    let lifetime = Duration::from_secs(60);
    let mut reassembler = Reassembler::new(Limits::default());
    push(&mut reassembler, NOW, &fragment(0, true, 1, &[1; 8])).unwrap();
    assert_eq!(reassembler.poll_timeout(), Some(NOW + lifetime));
    reassembler.handle_timeout(NOW + lifetime);
    assert_eq!(reassembler.poll_timeout(), None);
}

#[test]
fn a_flood_pushes_out_the_oldest_and_no_more_is_kept_than_allowed() {
    let limits = Limits {
        packets: 4,
        octets: 40,
        ..Limits::default()
    };
    for (part, kept) in [(8, 4), (16, 2)] {
        let mut reassembler = Reassembler::new(limits);
        for id in 0..20 {
            let now = Instant::from_nanos(u64::from(id));
            push(
                &mut reassembler,
                now,
                &fragment(0, true, id, &vec![1; part]),
            )
            .unwrap();
        }
        let oldest = reassembler.poll_timeout().unwrap();
        assert_eq!(oldest, Instant::from_nanos(20 - kept) + limits.lifetime);
    }
}

#[test]
fn a_packet_in_too_many_fragments_is_refused() {
    let limits = Limits {
        fragments: 3,
        ..Limits::default()
    };
    let mut reassembler = Reassembler::new(limits);
    for index in 0..3 {
        let part = fragment(index * 8, true, 1, &[1; 8]);
        assert_eq!(push(&mut reassembler, NOW, &part), Ok(None));
    }
    let refused = push(&mut reassembler, NOW, &fragment(24, true, 1, &[1; 8]));
    assert_eq!(refused, Err(DropReason::Fragment));
}

fn push(
    reassembler: &mut Reassembler,
    now: Instant,
    packet: &Packet,
) -> Result<Option<Packet>, DropReason> {
    reassembler.push(now, packet, &Headers::parse(&packet.octets)?)
}

fn fragment(offset: u16, more: bool, id: u8, part: &[u8]) -> Packet {
    let [a, b] = (offset | u16::from(more)).to_be_bytes();
    let header = [253, 0, a, b, 0, 0, 0, id];
    ipv6(
        handle(A),
        handle(B),
        protocol::FRAGMENT,
        &[&header, part].concat(),
    )
}
