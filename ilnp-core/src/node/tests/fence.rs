//! A copy of this host has its identifier.

use proptest::prelude::*;

use super::support::*;
use crate::drop_reason::DropReason;
use crate::node::{DatapathUpdate, DnsRequest, Event, Input, MoveOrder, SlotIndex};

fn data() -> crate::wire::Packet {
    udp((handle(MOBILE), handle(FIXED)), (4000, 5000))
}

fn answer() -> crate::wire::Packet {
    udp((handle(FIXED), handle(MOBILE)), (5000, 4000))
}

#[test]
fn a_fenced_host_stops_the_data_path_and_publishes_no_locator() {
    let (mut mobile, _) = established();
    mobile.node.handle_fence(mobile.now);
    let cleared = mobile.updates();
    let is_clear =
        |update: &DatapathUpdate| matches!(update, DatapathUpdate::Slot { slot: None, .. });
    assert!(
        !cleared.is_empty() && cleared.iter().all(is_clear),
        "{cleared:?}"
    );
    assert_eq!(mobile.dns_requests(), [DnsRequest::Publish(Vec::new())]);
    assert!(mobile.node.locators(mobile.now).is_empty());
    assert_eq!(
        mobile.state(FIXED),
        Some("established"),
        "the session is kept"
    );
    assert!(mobile.events().contains(&Event::Fenced));
}

#[test]
fn a_fenced_host_sends_nothing_and_tells_its_programs() {
    let (mut mobile, _) = established();
    mobile.node.handle_fence(mobile.now);
    mobile.flush();
    mobile.send(&data());
    assert_eq!(mobile.dropped(DropReason::Fenced), 1);
    let told = mobile.delivered();
    assert_eq!(told.len(), 1, "an ICMPv6 error");
    mobile.send(&tcp(
        (handle(MOBILE), handle(FIXED)),
        (1000, 80),
        (200, 501),
        ACK,
    ));
    mobile.at(&[B]);
    mobile.node.handle_move(
        mobile.now,
        MoveOrder {
            locator: Some(B),
            drop: vec![A],
        },
    );
    mobile.wait(secs(120));
    assert!(mobile.transmitted().is_empty());
}

#[test]
fn a_fenced_host_takes_nothing_that_is_meant_for_its_identifier() {
    let (mut mobile, mut fixed) = established();
    mobile.node.handle_fence(mobile.now);
    mobile.flush();
    fixed.at(&[B]);
    fixed.send(&answer());
    for packet in fixed.transmitted() {
        mobile.receive(&packet);
    }
    assert_eq!(mobile.dropped(DropReason::Fenced), 2);
    assert!(mobile.delivered().is_empty() && mobile.transmitted().is_empty());
    assert_eq!(
        mobile.destination(FIXED),
        Some(C),
        "its Locator Update is the other copy's"
    );
}

#[test]
fn a_released_host_goes_on_where_it_is_and_tells_everybody() {
    let (mut mobile, mut fixed) = established();
    mobile.node.handle_fence(mobile.now);
    mobile.at(&[B]);
    mobile.wait(secs(30));
    mobile.flush();
    mobile.node.handle_release(mobile.now, [3; 32]);
    assert!(mobile.events().contains(&Event::Released));
    assert!(matches!(
        mobile.updates()[0],
        DatapathUpdate::Slot { index: SlotIndex::PREFERRED, slot: Some(slot) } if slot.locator == B
    ));
    let sent = mobile.transmitted();
    assert!(is_advertisement(&sent[0]) && source(&sent[0]).locator == B);
    fixed.receive(&sent[0]);
    assert_eq!(fixed.destination(MOBILE), Some(B));
    fixed.send(&answer());
    for packet in fixed.transmitted() {
        mobile.receive(&packet);
    }
    assert_eq!(mobile.delivered().len(), 1, "the session goes on");
}

#[test]
fn a_released_host_tells_the_locator_that_it_had_before() {
    let (mut mobile, fixed) = established();
    mobile.node.handle_fence(mobile.now);
    mobile.flush();
    mobile.node.handle_release(mobile.now, [3; 32]);
    let sent = mobile.transmitted();
    assert_eq!(source(&sent[0]).locator, A);
    assert_eq!(destination(&sent[0]).nid, fixed.nid);
}

#[test]
fn copies_draw_different_numbers_once_they_are_released() {
    let first_nonce = |seed: [u8; 32]| {
        let (mut mobile, _) = strangers();
        mobile.node.handle_fence(mobile.now);
        mobile.node.handle_release(mobile.now, seed);
        mobile.flush();
        mobile.send(&data());
        nonce(&mobile.transmitted()[0])
    };
    assert_eq!(first_nonce([1; 32]), first_nonce([1; 32]));
    assert_ne!(first_nonce([1; 32]), first_nonce([2; 32]));
}

proptest! {
    /// Whatever happens to a host between its fencing and its release, nothing leaves it.
    #[test]
    fn nothing_leaves_a_fenced_host(steps in prop::collection::vec(0u8..7, 1..40)) {
        let (mut mobile, mut fixed) = established();
        let mut fenced = false;
        for step in steps {
            match step {
                0 => mobile.send(&data()),
                1 => mobile.at(&[B]),
                2 => mobile.at(&[]),
                3 => {
                    fixed.send(&answer());
                    fixed.node.handle_move(fixed.now, MoveOrder::default());
                    fixed.transmitted().iter().for_each(|packet| mobile.receive(packet));
                }
                4 => mobile.wait(secs(7)),
                5 => {
                    mobile.node.handle(mobile.now, Input::Fence);
                    fenced = true;
                }
                _ => {
                    mobile.node.handle(mobile.now, Input::Release { seed: [5; 32] });
                    fenced = false;
                }
            }
            prop_assert_eq!(mobile.node.is_fenced(), fenced);
            let sent = mobile.transmitted();
            prop_assert!(!fenced || sent.is_empty(), "{:?}", sent);
            mobile.flush();
        }
    }
}
