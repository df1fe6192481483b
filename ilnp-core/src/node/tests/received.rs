//! Locator Updates of others.

use super::support::*;
use crate::drop_reason::DropReason;
use crate::id::{IlVector, Locator};
use crate::node::Event;
use crate::wire::{Packet, Record};

fn from_mobile(at: Locator) -> (IlVector, IlVector) {
    (IlVector::new(MOBILE, at), IlVector::new(FIXED, C))
}

fn update(mobile: &Host, at: Locator, records: Vec<Record>) -> Packet {
    let (source, destination) = from_mobile(at);
    advertisement(source, destination, &mobile.nonce_to(FIXED), records)
}

/// The packet with other octets in its ICMPv6 message, and a right checksum.
fn altered(packet: &Packet, alter: impl FnOnce(&mut Vec<u8>)) -> Packet {
    const MESSAGE: usize = 40 + 16;
    let mut message = packet.octets[MESSAGE..].to_vec();
    alter(&mut message);
    message[2..4].fill(0);
    let (source, destination) = (source(packet), destination(packet));
    let sum = crate::wire::checksum::icmpv6(&message, source.address(), destination.address());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    crate::wire::build::icmpv6(source, destination, &nonce(packet).unwrap(), &message)
}

fn untouched(fixed: &mut Host, reason: DropReason) {
    assert_eq!(fixed.dropped(reason), 1, "{reason}");
    assert_eq!(fixed.destination(MOBILE), Some(A), "{reason}");
    assert!(fixed.transmitted().is_empty(), "{reason}");
    assert!(fixed.delivered().is_empty(), "{reason}");
    assert!(fixed.updates().is_empty(), "{reason}");
}

#[test]
fn an_update_replaces_the_set_and_is_acknowledged_with_its_own_body() {
    let (mobile, mut fixed) = established();
    let sent = update(&mobile, B, vec![record(A, 20), record(B, 10)]);
    fixed.receive(&sent);
    assert_eq!(fixed.destination(MOBILE), Some(B));
    let answers = fixed.transmitted();
    assert_eq!(answers.len(), 1);
    assert!(is_acknowledgement(&answers[0]));
    let (asked, answered) = (update_in(&sent).unwrap(), update_in(&answers[0]).unwrap());
    assert_eq!(answered, asked.acknowledgement());
    assert_eq!(destination(&answers[0]), source(&sent));
    assert_eq!(source(&answers[0]), destination(&sent));
    assert_eq!(nonce(&answers[0]), Some(fixed.nonce_to(MOBILE)));
}

#[test]
fn reserved_bits_are_ignored_and_echoed() {
    let (mobile, mut fixed) = established();
    let sent = altered(&update(&mobile, B, vec![record(B, 10)]), |message| {
        message[6..8].copy_from_slice(&[0xde, 0xad]);
    });
    fixed.receive(&sent);
    assert_eq!(fixed.destination(MOBILE), Some(B));
    let answers = fixed.transmitted();
    assert_eq!(answers[0].octets[40 + 16 + 6..][..2], [0xde, 0xad]);
}

#[test]
fn a_repeated_update_is_acknowledged_again_and_changes_nothing() {
    let (mobile, mut fixed) = established();
    let sent = update(&mobile, B, vec![record(B, 10)]);
    for _ in 0..3 {
        fixed.receive(&sent);
        assert_eq!(fixed.transmitted().len(), 1);
        assert_eq!(fixed.destination(MOBILE), Some(B));
    }
}

#[test]
fn an_acknowledgement_goes_to_the_best_locator_when_the_source_is_not_listed() {
    let (mobile, mut fixed) = established();
    fixed.receive(&update(&mobile, site(0x77), vec![record(B, 10)]));
    assert_eq!(destination(&fixed.transmitted()[0]).locator, B);
}

#[test]
fn an_update_without_a_nonce_is_a_forgery() {
    let (_, mut fixed) = established();
    let (source, destination) = from_mobile(B);
    let update = crate::wire::LocatorUpdate::advertisement(vec![record(B, 10)]).unwrap();
    let message = update.emit(source.address(), destination.address());
    fixed.receive(&icmpv6(source.address(), destination.address(), message));
    untouched(&mut fixed, DropReason::UpdateWithoutNonce);
    let reported = |event: &Event| {
        matches!(
            event,
            Event::Security {
                reason: DropReason::UpdateWithoutNonce,
                ..
            }
        )
    };
    assert!(fixed.events().iter().any(reported));
}

#[test]
fn an_update_with_a_wrong_nonce_is_a_forgery() {
    let (_, mut fixed) = established();
    let (source, destination) = from_mobile(B);
    let forgery = advertisement(source, destination, &forged(), vec![record(B, 10)]);
    fixed.receive(&forgery);
    untouched(&mut fixed, DropReason::UpdateWrongNonce);
}

#[test]
fn an_update_with_the_nonce_of_the_other_direction_is_a_forgery() {
    let (_, mut fixed) = established();
    let (source, destination) = from_mobile(B);
    let reverse = fixed.nonce_to(MOBILE);
    let forgery = advertisement(source, destination, &reverse, vec![record(B, 10)]);
    fixed.receive(&forgery);
    untouched(&mut fixed, DropReason::UpdateWrongNonce);
}

#[test]
fn an_update_of_a_stranger_is_dropped() {
    let mut fixed = Host::new(FIXED, &[C]);
    let (source, destination) = from_mobile(B);
    let packet = advertisement(source, destination, &forged(), vec![record(B, 10)]);
    fixed.receive(&packet);
    assert_eq!(fixed.dropped(DropReason::UpdateNotCorrespondent), 1);
    assert_eq!(fixed.state(MOBILE), None);
    assert!(fixed.transmitted().is_empty());
}

#[test]
fn an_update_of_a_tentative_session_is_not_believed() {
    let mut fixed = Host::new(FIXED, &[C]);
    let syn = tcp((handle(MOBILE), handle(FIXED)), (1000, 80), (1, 0), SYN);
    fixed.receive(&with_nonce(&syn, A, C, forged()));
    fixed.flush();
    let (source, to) = from_mobile(B);
    fixed.receive(&advertisement(source, to, &forged(), vec![record(B, 10)]));
    untouched(&mut fixed, DropReason::UpdateWrongNonce);
}

#[test]
fn a_wrong_checksum_is_refused() {
    let (mobile, mut fixed) = established();
    let mut sent = update(&mobile, B, vec![record(B, 10)]);
    let mut octets = sent.octets.to_vec();
    octets[40 + 16 + 2] ^= 1;
    sent.octets = octets.into();
    fixed.receive(&sent);
    untouched(&mut fixed, DropReason::IcmpChecksum);
}

#[test]
fn a_malformed_update_changes_nothing() {
    type Change = fn(&mut Vec<u8>);
    let changes: [Change; 7] = [
        |message| message[1] = 1,
        |message| message[4] = 0,
        |message| message[4] = 255,
        |message| message[5] = 0,
        |message| message[5] = 3,
        |message| message.truncate(19),
        |message| message.push(0),
    ];
    for change in changes {
        let (mobile, mut fixed) = established();
        let sent = update(&mobile, B, vec![record(B, 10)]);
        fixed.receive(&altered(&sent, change));
        untouched(&mut fixed, DropReason::UpdateMalformed);
    }
}

#[test]
fn unusable_locators_are_left_out() {
    let (mobile, mut fixed) = established();
    let local = Locator::from_bits(0xfe80 << 48);
    let group = Locator::from_bits(0xff02 << 48);
    let prefix = fixed.node.config().handle_prefix.locator();
    let listed = vec![
        record(local, 1),
        record(group, 2),
        record(prefix, 3),
        record(B, 9),
    ];
    fixed.receive(&update(&mobile, B, listed));
    assert_eq!(fixed.destination(MOBILE), Some(B));
    let snapshot = fixed.node.correspondents(fixed.now);
    assert_eq!(snapshot[0].locators.len(), 1);
}

#[test]
fn an_update_without_a_usable_locator_is_dropped() {
    let (mobile, mut fixed) = established();
    let local = Locator::from_bits(0xfe80 << 48);
    fixed.receive(&update(&mobile, A, vec![record(local, 1)]));
    untouched(&mut fixed, DropReason::UpdateNoUsableLocator);
}

#[test]
fn too_many_updates_are_dropped_in_silence() {
    let (mobile, mut fixed) = established();
    let sent = update(&mobile, B, vec![record(B, 10)]);
    for _ in 0..100 {
        fixed.receive(&sent);
    }
    assert_eq!(fixed.transmitted().len(), 20);
    assert_eq!(fixed.dropped(DropReason::UpdateRate), 80);
}

#[test]
fn an_update_with_255_locators_is_taken_in_fragments_and_acknowledged_in_fragments() {
    let (mobile, mut fixed) = established();
    let many: Vec<_> = (0..255)
        .map(|n| record(site(0x100 + u64::from(n)), 300 - n))
        .collect();
    let sent = update(&mobile, site(0x100), many);
    let parts = crate::wire::fragment::split(&sent, 1280, 7).unwrap();
    assert!(parts.len() > 1);
    parts.iter().for_each(|part| fixed.receive(part));
    assert_eq!(fixed.destination(MOBILE), Some(site(0x100 + 254)));
    let answers = fixed.transmitted();
    assert_eq!(answers.len(), parts.len());
    assert!(answers.iter().all(|part| part.octets.len() <= 1280));
}

#[test]
fn an_update_to_a_group_is_ignored() {
    let (mobile, mut fixed) = established();
    let (source, _) = from_mobile(B);
    let group = IlVector::from("ff02::1".parse::<std::net::Ipv6Addr>().unwrap());
    let packet = advertisement(source, group, &mobile.nonce_to(FIXED), vec![record(B, 10)]);
    fixed.receive(&packet);
    untouched(&mut fixed, DropReason::NonceToMulticast);
}

#[test]
fn a_handle_on_the_wire_is_refused() {
    let (mobile, mut fixed) = established();
    let prefix = fixed.node.config().handle_prefix.locator();
    let packet = udp((handle(MOBILE), handle(FIXED)), (1, 2));
    fixed.receive(&with_nonce(&packet, prefix, C, mobile.nonce_to(FIXED)));
    untouched(&mut fixed, DropReason::HandleOnWire);
}

#[test]
fn the_right_nonce_at_another_identifier_is_not_ours() {
    let (mobile, mut fixed) = established();
    let packet = udp((handle(MOBILE), handle(MOBILE)), (1, 2));
    fixed.receive(&with_nonce(&packet, A, C, mobile.nonce_to(FIXED)));
    untouched(&mut fixed, DropReason::NotOurs);
}

#[test]
fn garbage_is_counted_and_forgotten() {
    let mut fixed = Host::new(FIXED, &[C]);
    for length in 0..60 {
        fixed.receive(&Packet::new(vec![0x60; length]));
        fixed.send(&Packet::new(vec![0x60; length]));
    }
    assert!(fixed.transmitted().is_empty());
    assert!(fixed.node.table.is_empty());
}

#[test]
fn classic_packets_are_given_back_as_they_came() {
    let (_, mut fixed) = established();
    let (source, destination) = from_mobile(A);
    let packet = udp((source.address(), destination.address()), (1, 2));
    fixed.receive(&packet);
    assert_eq!(fixed.delivered(), [packet]);
}

#[test]
fn a_gratuitous_packet_is_consumed() {
    let (mobile, mut fixed) = established();
    let (source, destination) = from_mobile(A);
    let packet = crate::wire::build::gratuitous(source, destination, &mobile.nonce_to(FIXED));
    fixed.receive(&packet);
    assert!(fixed.delivered().is_empty());
    assert!(fixed.transmitted().is_empty());
}

#[test]
fn two_nonces_in_a_packet_are_reported() {
    let (mobile, mut fixed) = established();
    let once = with_nonce(
        &udp((handle(MOBILE), handle(FIXED)), (1, 2)),
        A,
        C,
        forged(),
    );
    // A second Destination Options header with the right one, behind the first.
    let header: Vec<u8> = [&[17, 1, 0x8b, 12], mobile.nonce_to(FIXED).as_slice()].concat();
    let mut octets = once.octets.to_vec();
    octets[40] = 60;
    octets.splice(56..56, header);
    octets[5] += 16;
    fixed.receive(&Packet::new(octets));
    untouched(&mut fixed, DropReason::NonceRepeated);
    let reported = |event: &Event| {
        matches!(
            event,
            Event::Security {
                reason: DropReason::NonceRepeated,
                ..
            }
        )
    };
    assert!(fixed.events().iter().any(reported));
}
