//! Locator Updates are sent until they are acknowledged.

use super::support::*;
use crate::drop_reason::DropReason;
use crate::node::Event;
use crate::wire::Packet;

fn advertisements(host: &mut Host) -> Vec<Packet> {
    let sent = host.transmitted();
    sent.into_iter().filter(is_advertisement).collect()
}

#[test]
fn an_update_is_sent_again_with_growing_pauses() {
    let (mut mobile, _) = established();
    let began = mobile.now;
    mobile.at(&[B]);
    let mut gaps = Vec::new();
    let mut last = began;
    advertisements(&mut mobile);
    while gaps.len() < 10 {
        let due = mobile.node.poll_timeout().unwrap();
        mobile.wait(due - mobile.now);
        if !advertisements(&mut mobile).is_empty() {
            gaps.push((mobile.now - last).as_millis());
            last = mobile.now;
        }
    }
    assert_eq!(
        gaps,
        [
            200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 32_000, 32_000
        ]
    );
}

#[test]
fn tries_take_turns_between_the_locators_that_are_known() {
    let (mut mobile, mut fixed) = established();
    fixed.at(&[C, B]);
    exchange(&mut mobile, &mut fixed);
    mobile.flush();
    mobile.at(&[site(0xd)]);
    mobile.wait(millis(700));
    let asked: Vec<_> = advertisements(&mut mobile)
        .iter()
        .map(|packet| destination(packet).locator)
        .collect();
    assert_eq!(asked.len(), 3);
    assert!(asked.contains(&C) && asked.contains(&B));
    assert_eq!(Some(asked[0]), mobile.destination(FIXED));
}

#[test]
fn an_acknowledgement_ends_the_tries() {
    let (mut mobile, mut fixed) = established();
    mobile.at(&[B]);
    exchange(&mut mobile, &mut fixed);
    mobile.wait(secs(60));
    assert!(advertisements(&mut mobile).is_empty());
}

#[test]
fn changes_shortly_after_a_change_share_one_update() {
    let (mut mobile, _) = established();
    mobile.at(&[B]);
    assert_eq!(advertisements(&mut mobile).len(), 1);
    for n in 0..10 {
        mobile.wait(millis(1));
        mobile.at(&[site(0x100 + n)]);
    }
    assert!(advertisements(&mut mobile).is_empty());
    mobile.wait(millis(20));
    let sent = advertisements(&mut mobile);
    assert_eq!(sent.len(), 1);
    assert_eq!(
        update_in(&sent[0]).unwrap().records()[0].locator,
        site(0x109)
    );
}

#[test]
fn an_acknowledgement_of_an_older_body_sends_the_present_one_again() {
    let (mut mobile, mut fixed) = established();
    mobile.at(&[B]);
    let first = advertisements(&mut mobile);
    mobile.wait(millis(100));
    mobile.at(&[A]);
    let second = advertisements(&mut mobile);
    mobile.wait(millis(100));
    // They arrive in the wrong order.
    fixed.receive(&second[0]);
    fixed.receive(&first[0]);
    assert_eq!(fixed.destination(MOBILE), Some(B));
    for acknowledgement in fixed.transmitted() {
        mobile.receive(&acknowledgement);
    }
    exchange(&mut mobile, &mut fixed);
    assert_eq!(fixed.destination(MOBILE), Some(A));
}

#[test]
fn an_acknowledgement_of_an_equal_but_older_body_does_not_count() {
    let (mut mobile, mut fixed) = established();
    mobile.at(&[B]);
    let first = advertisements(&mut mobile);
    fixed.receive(&first[0]);
    let stale = fixed.transmitted();
    mobile.wait(millis(100));
    mobile.at(&[A]);
    mobile.wait(millis(100));
    mobile.at(&[B]);
    advertisements(&mut mobile);
    mobile.wait(millis(50));
    mobile.events();
    mobile.receive(&stale[0]);
    let done = |event: &Event| matches!(event, Event::UpdateAcknowledged { .. });
    assert!(!mobile.events().iter().any(done));
    assert_eq!(
        mobile.node.correspondents(mobile.now)[0].update.state,
        "awaiting-ack"
    );
}

#[test]
fn an_acknowledgement_that_was_not_asked_for_changes_nothing() {
    let (mut mobile, mut fixed) = established();
    mobile.at(&[B]);
    let sent = advertisements(&mut mobile);
    fixed.receive(&sent[0]);
    let acknowledgement = fixed.transmitted();
    mobile.receive(&acknowledgement[0]);
    mobile.flush();
    mobile.receive(&acknowledgement[0]);
    assert_eq!(mobile.dropped(DropReason::UpdateUnasked), 1);
    assert!(mobile.transmitted().is_empty());
}

#[test]
fn a_session_that_is_proved_after_a_move_is_told_of_it() {
    let (mut mobile, mut fixed) = strangers();
    let there = (handle(MOBILE), handle(FIXED));
    mobile.send(&tcp(there, (1000, 80), (100, 0), SYN));
    exchange(&mut mobile, &mut fixed);
    mobile.at(&[B]);
    assert!(advertisements(&mut mobile).is_empty());
    fixed.send(&tcp((there.1, there.0), (80, 1000), (500, 101), SYN | ACK));
    let answer = fixed.transmitted();
    mobile.receive(&answer[0]);
    let sent = advertisements(&mut mobile);
    assert_eq!(sent.len(), 1);
    assert_eq!(source(&sent[0]).locator, B);
}

#[test]
fn ten_thousand_correspondents_are_told_in_bursts() {
    let (mut mobile, fixed) = strangers();
    mobile.flush();
    for n in 0..10_000u64 {
        let entry = crate::node::PathEntry {
            slot: crate::node::SlotIndex::PREFERRED,
            destination: C,
            nonce_out: fixed_nonce(n),
            nonce_in: fixed_nonce(n + 1),
            locators: vec![],
        };
        let handle = crate::id::Handle::new(crate::id::Nid::from_bits(0x1_0000_0000 + n));
        let activity = crate::node::Activity {
            sent: fixed.now,
            heard: fixed.now,
        };
        let restored = crate::node::Restored {
            names: Vec::new(),
            handle,
            entry,
            activity,
        };
        mobile.node.restore(mobile.now, restored);
    }
    mobile.wait(secs(10));
    mobile.flush();
    mobile.at(&[B]);
    assert_eq!(mobile.transmitted().len(), 500);
    mobile.wait(millis(25));
    assert_eq!(mobile.transmitted().len(), 9500);
}

fn fixed_nonce(n: u64) -> crate::wire::Nonce {
    let mut octets = [0; 12];
    octets[..8].copy_from_slice(&n.to_be_bytes());
    crate::wire::Nonce::from_slice(&octets).unwrap()
}
