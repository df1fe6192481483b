//! Either end is somewhere else.

use super::support::*;
use crate::id::Handle;
use crate::node::{DatapathUpdate, Event, LinkEvent, LocatorHealth, MoveOrder, SlotIndex};

fn data() -> crate::wire::Packet {
    udp((handle(MOBILE), handle(FIXED)), (4000, 5000))
}

fn answer() -> crate::wire::Packet {
    udp((handle(FIXED), handle(MOBILE)), (5000, 4000))
}

#[test]
fn a_hard_handoff_switches_one_slot_first_and_tells_the_correspondent_at_once() {
    let (mut mobile, mut fixed) = established();
    mobile.at(&[B]);
    let updates = mobile.updates();
    assert!(matches!(
        updates[0],
        DatapathUpdate::Slot { index: SlotIndex::PREFERRED, slot: Some(slot) } if slot.locator == B
    ));
    let sent = mobile.transmitted();
    assert_eq!(sent.len(), 1);
    assert!(is_advertisement(&sent[0]));
    assert_eq!(
        (source(&sent[0]).locator, destination(&sent[0]).locator),
        (B, C)
    );
    assert!(nonce(&sent[0]).is_some());
    fixed.receive(&sent[0]);
    assert_eq!(fixed.destination(MOBILE), Some(B));
    let acknowledged = fixed.transmitted();
    assert_eq!(acknowledged.len(), 1);
    mobile.receive(&acknowledged[0]);
    let events = mobile.events();
    let seen = |event: &Event| matches!(event, Event::UpdateAcknowledged { .. });
    assert!(events.iter().any(seen), "{events:?}");
    assert!(mobile.transmitted().is_empty());
}

#[test]
fn a_soft_handoff_lists_both_with_the_new_one_preferred() {
    let (mut mobile, mut fixed) = established();
    let mut old = own(A);
    old.health = LocatorHealth::Leaving;
    let locators = LinkEvent::Locators(vec![old, own(B)]);
    mobile.node.handle_link(mobile.now, locators);
    let sent = mobile.transmitted();
    let update = update_in(&sent[0]).unwrap();
    let listed: Vec<_> = update
        .records()
        .iter()
        .map(|record| record.locator)
        .collect();
    assert_eq!(listed, [B, A]);
    fixed.receive(&sent[0]);
    assert_eq!(fixed.destination(MOBILE), Some(B));
    // Packets that were under way are still taken.
    let late = with_nonce(&data(), A, C, mobile.nonce_to(FIXED));
    fixed.delivered();
    fixed.receive(&late);
    assert_eq!(fixed.delivered().len(), 1);
    assert_eq!(fixed.destination(MOBILE), Some(B));
}

#[test]
fn a_return_to_an_old_locator_does_not_stall() {
    let (mut mobile, mut fixed) = established();
    for place in [B, A, B, A, B] {
        mobile.at(&[place]);
        exchange(&mut mobile, &mut fixed);
        assert_eq!(fixed.destination(MOBILE), Some(place));
        mobile.wait(millis(50));
        fixed.wait(millis(50));
    }
    assert!(mobile.transmitted().is_empty());
}

#[test]
fn a_late_packet_from_the_old_locator_does_not_turn_traffic_back() {
    let (mut mobile, mut fixed) = established();
    mobile.at(&[B]);
    exchange(&mut mobile, &mut fixed);
    let late = with_nonce(&data(), A, C, mobile.nonce_to(FIXED));
    fixed.receive(&late);
    assert_eq!(fixed.destination(MOBILE), Some(B));
}

#[test]
fn authenticated_data_shows_the_move_when_every_update_is_lost() {
    let (mut mobile, mut fixed) = established();
    mobile.at(&[B]);
    mobile.transmitted();
    mobile.send(&data());
    let sent = mobile.transmitted();
    fixed.receive(&sent[0]);
    assert_eq!(fixed.delivered().len(), 1);
    assert_eq!(fixed.destination(MOBILE), Some(B));
    // And back again, once packets from A can no longer be late ones.
    fixed.wait(secs(2));
    let returned = with_nonce(&data(), A, C, mobile.nonce_to(FIXED));
    fixed.receive(&returned);
    assert_eq!(fixed.destination(MOBILE), Some(A));
}

#[test]
fn both_ends_move_at_once_while_one_old_locator_still_works() {
    let (mut mobile, mut fixed) = established();
    mobile.at(&[B]);
    let lost = mobile.transmitted();
    assert_eq!(destination(&lost[0]).locator, C);
    let mut old = own(C);
    old.health = LocatorHealth::Leaving;
    let elsewhere = site(0xd);
    let both = LinkEvent::Locators(vec![old, own(elsewhere)]);
    fixed.node.handle_link(fixed.now, both);
    let to_old_place = fixed.transmitted();
    assert_eq!(destination(&to_old_place[0]).locator, A);
    // The mobile host's update reaches the old Locator of the fixed one.
    fixed.receive(&lost[0]);
    let sent = fixed.transmitted();
    fixed.wait(millis(250));
    let again = fixed.transmitted();
    let told = |packets: &[crate::wire::Packet]| {
        packets
            .iter()
            .any(|p| is_advertisement(p) && destination(p).locator == B)
    };
    assert!(told(&sent) || told(&again));
    sent.iter()
        .chain(&again)
        .for_each(|packet| mobile.receive(packet));
    exchange(&mut mobile, &mut fixed);
    assert_eq!(mobile.destination(FIXED), Some(elsewhere));
    assert_eq!(fixed.destination(MOBILE), Some(B));
}

#[test]
fn news_of_the_other_end_sends_an_outstanding_update_there_at_once() {
    let (mut mobile, fixed) = established();
    mobile.at(&[B]);
    mobile.transmitted();
    mobile.wait(millis(50));
    let elsewhere = site(0xd);
    mobile.receive(&with_nonce(&answer(), elsewhere, B, fixed.nonce_to(MOBILE)));
    let sent = mobile.transmitted();
    assert!(
        sent.iter()
            .any(|p| is_advertisement(p) && destination(p).locator == elsewhere)
    );
}

#[test]
fn a_user_may_prefer_a_locator_or_give_one_up() {
    let (mut mobile, mut fixed) = established();
    mobile.at(&[A, B]);
    exchange(&mut mobile, &mut fixed);
    mobile.flush();
    let order = MoveOrder {
        locator: Some(A),
        drop: vec![],
    };
    mobile.wait(secs(1));
    mobile.node.handle_move(mobile.now, order);
    exchange(&mut mobile, &mut fixed);
    assert_eq!(fixed.destination(MOBILE), Some(A));
    let order = MoveOrder {
        locator: None,
        drop: vec![A],
    };
    mobile.wait(secs(1));
    mobile.node.handle_move(mobile.now, order);
    let sent = mobile.transmitted();
    assert_eq!(update_in(&sent[0]).unwrap().records().len(), 1);
    assert_eq!(source(&sent[0]).locator, B);
}

#[test]
fn a_move_order_tells_everybody_even_when_nothing_changed() {
    let (mut mobile, _) = established();
    mobile.wait(secs(1));
    mobile.node.handle_move(mobile.now, MoveOrder::default());
    assert_eq!(mobile.transmitted().len(), 1);
}

#[test]
fn without_a_locator_nothing_is_said_until_one_appears() {
    let (mut mobile, mut fixed) = established();
    mobile.at(&[]);
    assert!(mobile.transmitted().is_empty());
    let cleared = DatapathUpdate::Slot {
        index: SlotIndex::PREFERRED,
        slot: None,
    };
    assert_eq!(mobile.updates()[0], cleared);
    mobile.wait(secs(20));
    assert!(mobile.transmitted().is_empty());
    mobile.at(&[A]);
    exchange(&mut mobile, &mut fixed);
    assert_eq!(mobile.state(FIXED), Some("established"));
    assert_eq!(
        mobile.node.correspondents(mobile.now)[0].update.state,
        "idle"
    );
}

#[test]
fn two_hosts_may_meet_on_one_link() {
    let (mut mobile, mut fixed) = established();
    mobile.at(&[C]);
    exchange(&mut mobile, &mut fixed);
    assert_eq!(fixed.destination(MOBILE), Some(C));
}

#[test]
fn locator_events_tell_what_came_and_went() {
    let mut mobile = Host::new(MOBILE, &[A]);
    mobile.at(&[B]);
    let events = mobile.events();
    assert!(events.contains(&Event::LocatorAdded {
        locator: B,
        interface: 2
    }));
    assert!(events.contains(&Event::LocatorRemoved { locator: A }));
    assert!(events.contains(&Event::SourceChanged { locator: Some(B) }));
}

#[test]
fn a_restored_correspondent_is_told_where_this_host_is() {
    let (mobile, mut fixed) = established();
    let entry = crate::node::PathEntry {
        slot: SlotIndex::PREFERRED,
        destination: C,
        nonce_out: mobile.nonce_to(FIXED),
        nonce_in: fixed.nonce_to(MOBILE),
        locators: vec![],
    };
    let mut next = Host::new(MOBILE, &[]);
    let restored = crate::node::Restored {
        names: Vec::new(),
        handle: Handle::new(FIXED),
        entry,
        activity: crate::node::Activity {
            sent: next.now,
            heard: next.now,
        },
    };
    next.node.restore(next.now, restored);
    assert_eq!(next.state(FIXED), Some("established"));
    assert!(next.transmitted().is_empty());
    next.at(&[B]);
    exchange(&mut next, &mut fixed);
    assert_eq!(fixed.destination(MOBILE), Some(B));
    next.send(&data());
    let (_, delivered) = exchange(&mut next, &mut fixed);
    assert_eq!(delivered.len(), 1);
}

#[test]
fn what_dns_says_is_tried_at_once_while_an_update_waits() {
    let (mut mobile, mut fixed) = established();
    let elsewhere = site(0xd);
    mobile.at(&[B]);
    fixed.at(&[elsewhere]);
    mobile.flush();
    fixed.flush();
    mobile.wait(secs(2));
    mobile.flush();
    mobile.knows(FIXED, &[elsewhere]);
    exchange(&mut mobile, &mut fixed);
    assert_eq!(mobile.destination(FIXED), Some(elsewhere));
    assert_eq!(fixed.destination(MOBILE), Some(B));
}
