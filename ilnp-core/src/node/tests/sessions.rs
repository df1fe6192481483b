//! Sessions begin and are proved.

use super::support::*;
use crate::drop_reason::DropReason;
use crate::id::{Handle, Nid};
use crate::node::DatapathUpdate;
use crate::wire::Headers;

const THERE: (Nid, Nid) = (MOBILE, FIXED);

fn ends((from, to): (Nid, Nid)) -> (std::net::Ipv6Addr, std::net::Ipv6Addr) {
    (handle(from), handle(to))
}

fn back() -> (std::net::Ipv6Addr, std::net::Ipv6Addr) {
    ends((FIXED, MOBILE))
}

#[test]
fn the_first_packet_carries_a_nonce() {
    let (mut mobile, _) = strangers();
    mobile.send(&tcp(ends(THERE), (1000, 80), (1, 0), SYN));
    let sent = mobile.transmitted();
    assert_eq!(sent.len(), 1);
    assert_eq!(nonce(&sent[0]), Some(mobile.nonce_to(FIXED)));
    assert_eq!(
        (source(&sent[0]).locator, destination(&sent[0]).locator),
        (A, C)
    );
    assert_eq!(mobile.state(FIXED), Some("tentative"));
}

#[test]
fn a_handshake_proves_both_ways_with_independent_nonces() {
    let (mobile, fixed) = established();
    assert_ne!(mobile.nonce_to(FIXED), fixed.nonce_to(MOBILE));
}

#[test]
fn a_proved_correspondent_enters_the_data_path() {
    let (mut mobile, mut fixed) = strangers();
    mobile.send(&tcp(ends(THERE), (1000, 80), (100, 0), SYN));
    exchange(&mut mobile, &mut fixed);
    assert!(mobile.updates().is_empty());
    fixed.send(&tcp(back(), (80, 1000), (500, 101), SYN | ACK));
    exchange(&mut mobile, &mut fixed);
    let updates = mobile.updates();
    let [DatapathUpdate::Correspondent { handle, entry }] = &updates[..] else {
        panic!("{updates:?}");
    };
    let entry = entry.as_ref().unwrap();
    assert_eq!(*handle, Handle::new(FIXED));
    assert_eq!(entry.destination, C);
    assert_eq!(entry.nonce_in, fixed.nonce_to(MOBILE));
    assert_eq!(entry.locators.len(), 1);
}

#[test]
fn a_forged_syn_ack_does_not_poison_the_session() {
    let (mut mobile, _) = strangers();
    mobile.send(&tcp(ends(THERE), (1000, 80), (100, 0), SYN));
    let guess = tcp(back(), (80, 1000), (500, 7777), SYN | ACK);
    mobile.receive(&with_nonce(&guess, C, A, forged()));
    assert_eq!(mobile.state(FIXED), Some("tentative"));
}

#[test]
fn the_first_right_answer_wins() {
    let (mut mobile, _) = strangers();
    mobile.send(&tcp(ends(THERE), (1000, 80), (100, 0), SYN));
    let answer = tcp(back(), (80, 1000), (500, 101), SYN | ACK);
    let first = crate::wire::Nonce::from_slice(&[1; 4]).unwrap();
    mobile.receive(&with_nonce(&answer, C, A, first));
    assert_eq!(mobile.state(FIXED), Some("established"));
    mobile.flush();
    mobile.receive(&with_nonce(&answer, C, A, forged()));
    assert!(mobile.delivered().is_empty());
    assert_eq!(mobile.dropped(DropReason::NonceWrong), 1);
}

#[test]
fn one_way_udp_is_proved_on_both_sides() {
    let (mut mobile, mut fixed) = strangers();
    mobile.send(&udp(ends(THERE), (4000, 5000)));
    let (_, delivered) = exchange(&mut mobile, &mut fixed);
    assert_eq!(delivered.len(), 1);
    assert_eq!(mobile.state(FIXED), Some("established"));
    assert_eq!(fixed.state(MOBILE), Some("established"));
}

#[test]
fn challenges_are_not_answered_with_challenges_for_ever() {
    let (mut mobile, mut fixed) = strangers();
    mobile.send(&udp(ends(THERE), (4000, 5000)));
    exchange(&mut mobile, &mut fixed);
    mobile.send(&udp(ends(THERE), (4000, 5000)));
    let sent = mobile.transmitted();
    assert_eq!(sent.len(), 1);
    fixed.receive(&sent[0]);
    assert!(fixed.transmitted().is_empty());
}

#[test]
fn a_udp_answer_proves_the_responder() {
    let (mut mobile, mut fixed) = strangers();
    mobile.send(&udp(ends(THERE), (4000, 53)));
    let query = mobile.transmitted();
    fixed.receive(&query[0]);
    fixed.transmitted();
    fixed.send(&udp(back(), (53, 4000)));
    let answer = fixed.transmitted();
    mobile.receive(&answer[0]);
    assert_eq!(mobile.state(FIXED), Some("established"));
}

#[test]
fn a_stranger_has_nothing_before_it_proves_the_return_path() {
    let mut fixed = Host::new(FIXED, &[C]);
    let syn = tcp(ends(THERE), (1000, 80), (1, 0), SYN);
    fixed.receive(&with_nonce(&syn, A, C, forged()));
    assert_eq!(fixed.delivered().len(), 1);
    assert_eq!(fixed.state(MOBILE), Some("tentative"));
    assert!(fixed.updates().is_empty());
    let ack = tcp(ends(THERE), (1000, 80), (2, 999), ACK);
    fixed.send(&tcp(back(), (80, 1000), (500, 2), SYN | ACK));
    fixed.receive(&with_nonce(&ack, A, C, forged()));
    assert_eq!(fixed.state(MOBILE), Some("tentative"));
    let ack = tcp(ends(THERE), (1000, 80), (2, 501), ACK);
    fixed.receive(&with_nonce(&ack, A, C, forged()));
    assert_eq!(fixed.state(MOBILE), Some("established"));
}

#[test]
fn an_unproved_session_is_forgotten() {
    let mut fixed = Host::new(FIXED, &[C]);
    let syn = tcp(ends(THERE), (1000, 80), (1, 0), SYN);
    fixed.receive(&with_nonce(&syn, A, C, forged()));
    fixed.wait(secs(31));
    assert_eq!(fixed.state(MOBILE), None);
    // Anybody could fill a log with these.
    assert!(fixed.events().is_empty());
    assert_eq!(fixed.node.poll_timeout(), None);
}

#[test]
fn a_packet_that_starts_no_session_leaves_no_trace() {
    let mut fixed = Host::new(FIXED, &[C]);
    let rst = tcp(ends(THERE), (1000, 80), (1, 0), RST);
    fixed.receive(&with_nonce(&rst, A, C, forged()));
    assert_eq!(fixed.state(MOBILE), None);
    assert_eq!(fixed.dropped(DropReason::NonceUnknown), 1);
    assert!(fixed.delivered().is_empty());
}

#[test]
fn both_ends_may_begin_at_once() {
    let (mut mobile, mut fixed) = strangers();
    fixed.knows(MOBILE, &[A]);
    mobile.send(&udp(ends(THERE), (4000, 5000)));
    fixed.send(&udp(back(), (6000, 7000)));
    let (to_mobile, to_fixed) = exchange(&mut mobile, &mut fixed);
    assert_eq!((to_mobile.len(), to_fixed.len()), (1, 1));
    assert_eq!(mobile.state(FIXED), Some("established"));
    assert_eq!(fixed.state(MOBILE), Some("established"));
}

#[test]
fn a_correspondent_elsewhere_gets_a_handle_of_its_own() {
    let (mut mobile, mut fixed) = established();
    let other = udp(ends(THERE), (4000, 5000));
    fixed.receive(&with_nonce(&other, B, C, forged()));
    let delivered = fixed.delivered();
    let alias = Handle {
        nid: MOBILE,
        alias: 1,
    };
    let prefix = fixed.node.config().handle_prefix;
    assert_eq!(prefix.handle(source(&delivered[0]).address()), Some(alias));
    // The first one is where it was.
    assert_eq!(fixed.destination(MOBILE), Some(A));
    fixed.flush();
    mobile.send(&udp(ends(THERE), (4000, 5000)));
    let (_, delivered) = exchange(&mut mobile, &mut fixed);
    assert_eq!(source(&delivered[0]).address(), handle(MOBILE));
}

#[test]
fn nobody_takes_the_handle_of_a_known_correspondent_that_is_elsewhere() {
    let (mut mobile, _) = strangers();
    let packet = udp(back(), (4000, 5000));
    mobile.receive(&with_nonce(&packet, B, A, forged()));
    assert_eq!(mobile.destination(FIXED), Some(C));
    mobile.flush();
    mobile.send(&udp(ends(THERE), (1, 2)));
    assert_eq!(destination(&mobile.transmitted()[0]).locator, C);
}

#[test]
fn both_nonce_lengths_work_together() {
    let mut config = crate::node::Config::new(MOBILE);
    config.nonce_length = crate::wire::NonceLength::Short;
    let mut mobile = Host::with_config(config, &[A]);
    let mut fixed = Host::new(FIXED, &[C]);
    mobile.knows(FIXED, &[C]);
    connect(&mut mobile, &mut fixed);
    assert_eq!(mobile.nonce_to(FIXED).as_slice().len(), 4);
    assert_eq!(fixed.nonce_to(MOBILE).as_slice().len(), 12);
}

#[test]
fn without_a_locator_nothing_is_sent() {
    let (mut mobile, _) = strangers();
    mobile.at(&[]);
    mobile.send(&udp(ends(THERE), (1, 2)));
    assert!(mobile.transmitted().is_empty());
    assert_eq!(mobile.dropped(DropReason::NoLocator), 1);
}

#[test]
fn packets_to_nobody_and_from_elsewhere_are_counted() {
    let mut fixed = Host::new(FIXED, &[C]);
    let lost = udp(back(), (1, 2));
    fixed.send(&lost);
    assert_eq!(fixed.dropped(DropReason::NoCorrespondent), 1);
    // The program is told.
    let told = fixed.delivered();
    let headers = Headers::parse(&told[0].octets).unwrap();
    assert_eq!(
        (headers.source, headers.destination),
        (handle(MOBILE), handle(FIXED))
    );
    let message = headers.upper_layer(&told[0].octets);
    assert_eq!(
        (message[0], message[1], &message[8..]),
        (1, 3, &lost.octets[..])
    );
    assert!(crate::wire::checksum::is_valid_icmpv6_packet(
        &told[0], &headers
    ));
    let foreign = "2001:db8::1".parse().unwrap();
    fixed.send(&udp((foreign, handle(MOBILE)), (1, 2)));
    fixed.send(&udp((handle(FIXED), foreign), (1, 2)));
    assert_eq!(fixed.dropped(DropReason::NotToHandle), 2);
}

#[test]
fn a_claimed_answer_that_answers_nothing_is_dropped() {
    let (mut mobile, _) = strangers();
    mobile.send(&tcp(ends(THERE), (1000, 80), (100, 0), SYN));
    mobile.flush();
    for flags in [SYN | ACK, RST | ACK, RST, ACK] {
        let guess = tcp(back(), (80, 1000), (500, 7777), flags);
        mobile.receive(&with_nonce(&guess, C, A, forged()));
    }
    assert!(mobile.delivered().is_empty());
    assert_eq!(mobile.dropped(DropReason::NonceWrong), 4);
}

#[test]
fn a_stranger_that_moves_while_the_session_begins_keeps_its_handle() {
    let (mut mobile, mut fixed) = strangers();
    mobile.send(&tcp(ends(THERE), (1000, 80), (100, 0), SYN));
    let first = mobile.transmitted();
    fixed.receive(&first[0]);
    mobile.at(&[B]);
    mobile.send(&tcp(ends(THERE), (1000, 80), (100, 0), SYN));
    let again = mobile.transmitted();
    fixed.receive(&again[0]);
    assert_eq!(fixed.node.table.len(), 1);
    assert_eq!(fixed.destination(MOBILE), Some(B));
    fixed.flush();
    connect(&mut mobile, &mut fixed);
    assert_eq!(fixed.node.table.len(), 1);
}

#[test]
fn an_unproved_nonce_does_not_carry_a_known_correspondent_elsewhere() {
    let (mut mobile, _) = strangers();
    let packet = udp(back(), (4000, 5000));
    mobile.receive(&with_nonce(&packet, C, A, forged()));
    mobile.receive(&with_nonce(&packet, B, A, forged()));
    assert_eq!(mobile.destination(FIXED), Some(C));
}
