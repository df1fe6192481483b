//! Wrong Nonces, and correspondents that lost their memory.

use super::support::*;
use crate::drop_reason::DropReason;
use crate::node::Event;

fn there() -> (std::net::Ipv6Addr, std::net::Ipv6Addr) {
    (handle(MOBILE), handle(FIXED))
}

fn back() -> (std::net::Ipv6Addr, std::net::Ipv6Addr) {
    (handle(FIXED), handle(MOBILE))
}

#[test]
fn wrong_nonce_changes_nothing() {
    let (mut mobile, mut fixed) = established();
    for (n, place) in [(1, A), (2, B)] {
        let data = tcp(there(), (1000, 80), (102, 501), ACK);
        fixed.receive(&with_nonce(&data, place, C, forged()));
        assert_eq!(fixed.dropped(DropReason::NonceWrong), n);
    }
    assert_eq!(fixed.node.table.len(), 1);
    assert_eq!(fixed.destination(MOBILE), Some(A));
    let reported = |event: &Event| {
        matches!(
            event,
            Event::Security {
                reason: DropReason::NonceWrong,
                ..
            }
        )
    };
    assert!(fixed.events().iter().any(reported));
    // The session goes on.
    fixed.flush();
    mobile.send(&udp(there(), (1, 2)));
    let (_, delivered) = exchange(&mut mobile, &mut fixed);
    assert_eq!(delivered.len(), 1);
}

#[test]
fn a_restarted_initiator_connects_again() {
    let (_, mut fixed) = established();
    let mut again = Host::with_config(crate::node::Config::new(MOBILE), &[A]);
    again.node = crate::node::Node::new(crate::node::Config::new(MOBILE), [99; 32]);
    again.at(&[A]);
    again.knows(FIXED, &[C]);
    again.flush();
    connect(&mut again, &mut fixed);
    fixed.send(&udp(back(), (1, 2)));
    let (delivered, _) = exchange(&mut again, &mut fixed);
    assert_eq!(delivered.len(), 1);
}

#[test]
fn a_restarted_responder_is_met_again_by_the_data_that_goes_on() {
    meets_again(|_| {});
}

#[test]
fn so_is_one_that_knows_the_initiator_by_its_configuration() {
    meets_again(|again| again.knows(MOBILE, &[A]));
}

fn meets_again(prepare: impl FnOnce(&mut Host)) {
    let (mut mobile, _) = established();
    let mut again = Host::new(FIXED, &[]);
    again.node = crate::node::Node::new(crate::node::Config::new(FIXED), [99; 32]);
    again.at(&[C]);
    prepare(&mut again);
    again.flush();
    let data = tcp(there(), (1000, 80), (102, 501), ACK);
    mobile.send(&data);
    exchange(&mut mobile, &mut again);
    // Its kernel knows nothing of the connection.
    again.send(&tcp(back(), (80, 1000), (501, 102), RST));
    exchange(&mut mobile, &mut again);
    mobile.send(&data);
    exchange(&mut mobile, &mut again);
    again.send(&tcp(back(), (80, 1000), (501, 102), RST));
    let (delivered, _) = exchange(&mut mobile, &mut again);
    assert_eq!(delivered.len(), 1);
    assert_eq!(again.state(MOBILE), Some("established"));
}

#[test]
fn a_wrong_nonce_is_not_believed_without_proof() {
    let (mobile, mut fixed) = established();
    let before = fixed.updates().len();
    let syn = tcp(there(), (2000, 80), (1, 0), SYN);
    fixed.receive(&with_nonce(&syn, A, C, forged()));
    // The program may answer it; whoever is at the Locator is asked who it is.
    assert_eq!(fixed.delivered().len(), 1);
    let asked = fixed.transmitted();
    assert_eq!(asked.len(), 1);
    assert_eq!(destination(&asked[0]).locator, A);
    assert_eq!(fixed.updates().len(), before);
    let right = with_nonce(&udp(there(), (1, 2)), A, C, mobile.nonce_to(FIXED));
    fixed.receive(&right);
    assert_eq!(fixed.delivered().len(), 1);
}

#[test]
fn a_flood_of_wrong_nonces_is_answered_rarely() {
    let (_, mut fixed) = established();
    let data = tcp(there(), (1000, 80), (102, 501), ACK);
    let packet = with_nonce(&data, A, C, forged());
    for _ in 0..1000 {
        fixed.receive(&packet);
        fixed.now = fixed.now + millis(10);
    }
    // 10 seconds: after 0, 1, 3 and 7 of them.
    assert_eq!(fixed.transmitted().len(), 4);
    assert_eq!(fixed.dropped(DropReason::NonceWrong), 1000);
    let events = fixed.events();
    let reported = events
        .iter()
        .filter(|event| matches!(event, Event::Security { .. }));
    assert!(reported.count() <= 20 + 100);
}
