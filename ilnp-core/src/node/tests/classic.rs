//! Correspondents that do not speak ILNP.

use super::support::*;
use crate::drop_reason::DropReason;
use crate::node::{DatapathUpdate, Event};
use crate::wire::{Headers, Packet};

/// A Parameter Problem that points at the Nonce option.
const REFUSED: (u8, u8, u32) = (4, 2, 42);

fn there() -> (std::net::Ipv6Addr, std::net::Ipv6Addr) {
    (handle(MOBILE), handle(FIXED))
}

fn real() -> (std::net::Ipv6Addr, std::net::Ipv6Addr) {
    let at = |nid, locator| crate::id::IlVector::new(nid, locator).address();
    (at(FIXED, C), at(MOBILE, A))
}

fn syn() -> Packet {
    tcp(there(), (1000, 80), (100, 0), SYN)
}

fn refuse(mobile: &mut Host, about: &Packet) {
    mobile.receive(&error(real(), REFUSED, about));
}

fn is_fell_back(event: &Event) -> bool {
    matches!(event, Event::FellBack { .. })
}

#[test]
fn a_parameter_problem_sends_the_first_packet_again_without_a_nonce() {
    let (mut mobile, _) = strangers();
    mobile.send(&syn());
    let first = mobile.transmitted();
    refuse(&mut mobile, &first[0]);
    assert_eq!(mobile.state(FIXED), Some("classic"));
    let again = mobile.transmitted();
    assert_eq!(again.len(), 1);
    assert_eq!(nonce(&again[0]), None);
    let (remote, local) = real();
    let headers = Headers::parse(&again[0].octets).unwrap();
    assert_eq!((headers.source, headers.destination), (local, remote));
    assert!(mobile.events().iter().any(is_fell_back));
    assert!(mobile.delivered().is_empty());
    let diverted = |update: &DatapathUpdate| {
        matches!(update, DatapathUpdate::ClassicFlow { flow, present: true }
            if flow.remote_port == 80 && flow.local_port == 1000)
    };
    assert!(mobile.updates().iter().any(diverted));
}

#[test]
fn the_flow_goes_on_over_handles_both_ways() {
    let (mut mobile, _) = strangers();
    mobile.send(&syn());
    let first = mobile.transmitted();
    refuse(&mut mobile, &first[0]);
    mobile.flush();
    mobile.receive(&tcp(real(), (80, 1000), (500, 101), SYN | ACK));
    let delivered = mobile.delivered();
    let headers = Headers::parse(&delivered[0].octets).unwrap();
    assert_eq!(
        (headers.source, headers.destination),
        (there().1, there().0)
    );
    mobile.send(&tcp(there(), (1000, 80), (101, 501), ACK));
    assert_eq!(nonce(&mobile.transmitted()[0]), None);
}

#[test]
fn new_flows_are_classic_at_once_and_ilnp_is_tried_again_later() {
    let (mut mobile, _) = strangers();
    mobile.send(&syn());
    let first = mobile.transmitted();
    refuse(&mut mobile, &first[0]);
    mobile.flush();
    mobile.send(&tcp(there(), (1001, 80), (100, 0), SYN));
    assert_eq!(nonce(&mobile.transmitted()[0]), None);
    mobile.wait(secs(601));
    mobile.send(&tcp(there(), (1002, 80), (100, 0), SYN));
    assert!(nonce(&mobile.transmitted()[0]).is_some());
    // What began as classic stays so.
    mobile.send(&tcp(there(), (1001, 80), (101, 1), ACK));
    assert_eq!(nonce(&mobile.transmitted()[0]), None);
}

#[test]
fn a_parameter_problem_that_quotes_another_nonce_is_not_believed() {
    let (mut mobile, _) = strangers();
    mobile.send(&syn());
    mobile.transmitted();
    refuse(&mut mobile, &with_nonce(&syn(), A, C, forged()));
    assert_eq!(mobile.state(FIXED), Some("tentative"));
    assert_eq!(mobile.dropped(DropReason::IcmpUnmatched), 1);
}

#[test]
fn a_parameter_problem_that_points_elsewhere_is_no_refusal() {
    let (mut mobile, _) = strangers();
    mobile.send(&syn());
    let first = mobile.transmitted();
    mobile.receive(&error(real(), (4, 2, 40), &first[0]));
    assert_eq!(mobile.state(FIXED), Some("tentative"));
}

#[test]
fn an_established_session_is_never_downgraded() {
    let (mut mobile, _) = established();
    mobile.send(&syn());
    let sent = mobile.transmitted();
    refuse(&mut mobile, &sent[0]);
    assert_eq!(mobile.state(FIXED), Some("established"));
    assert_eq!(mobile.dropped(DropReason::IcmpForged), 1);
}

#[test]
fn silence_falls_back_after_the_third_syn() {
    let (mut mobile, _) = strangers();
    for pause in [1000, 2000, 499] {
        mobile.send(&syn());
        mobile.wait(millis(pause));
        assert!(
            mobile
                .transmitted()
                .iter()
                .all(|packet| nonce(packet).is_some())
        );
    }
    mobile.wait(millis(2));
    assert_eq!(mobile.state(FIXED), Some("classic"));
    let again = mobile.transmitted();
    assert_eq!(again.len(), 1);
    assert_eq!(nonce(&again[0]), None);
}

#[test]
fn unreachable_does_not_mean_that_ilnp_is_not_spoken() {
    let (mut mobile, _) = strangers();
    mobile.send(&syn());
    let first = mobile.transmitted();
    let router = "2001:db8:ffff::1".parse().unwrap();
    mobile.receive(&error((router, real().1), (1, 0, 0), &first[0]));
    assert_eq!(mobile.delivered().len(), 1);
    mobile.wait(secs(10));
    assert!(!mobile.events().iter().any(is_fell_back));
    assert!(
        mobile
            .transmitted()
            .iter()
            .all(|packet| nonce(packet).is_some())
    );
}

#[test]
fn only_new_data_about_a_correspondent_ends_the_belief() {
    let (mut mobile, _) = strangers();
    mobile.send(&syn());
    let first = mobile.transmitted();
    refuse(&mut mobile, &first[0]);
    for (port, locators, speaks_ilnp) in [(1001, [C], false), (1002, [B], true)] {
        let handle = mobile.resolves("cn.example", FIXED, &locators);
        assert_eq!(handle.is_some(), speaks_ilnp);
        mobile.flush();
        mobile.send(&tcp(there(), (port, 80), (100, 0), SYN));
        assert_eq!(nonce(&mobile.transmitted()[0]).is_some(), speaks_ilnp);
    }
}

#[test]
fn a_classic_correspondent_that_speaks_ilnp_after_all_is_believed() {
    let (mut mobile, mut fixed) = strangers();
    mobile.send(&syn());
    let first = mobile.transmitted();
    refuse(&mut mobile, &first[0]);
    mobile.flush();
    fixed.knows(MOBILE, &[A]);
    fixed.send(&udp((there().1, there().0), (1, 2)));
    exchange(&mut mobile, &mut fixed);
    assert_eq!(mobile.state(FIXED), Some("established"));
}

#[test]
fn errors_about_a_classic_flow_reach_the_program_over_handles() {
    let (mut mobile, _) = strangers();
    mobile.send(&syn());
    let first = mobile.transmitted();
    refuse(&mut mobile, &first[0]);
    let classic = mobile.transmitted();
    mobile.receive(&error(real(), (1, 4, 0), &classic[0]));
    let delivered = mobile.delivered();
    let headers = Headers::parse(&delivered[0].octets).unwrap();
    assert_eq!(
        (headers.source, headers.destination),
        (there().1, there().0)
    );
}

#[test]
fn classic_correspondents_are_not_told_of_moves() {
    let (mut mobile, _) = strangers();
    mobile.send(&syn());
    let first = mobile.transmitted();
    refuse(&mut mobile, &first[0]);
    mobile.flush();
    mobile.at(&[B]);
    assert!(mobile.transmitted().is_empty());
}

#[test]
fn an_established_correspondent_that_gave_up_ilnp_is_asked_and_then_forgotten() {
    let (mut mobile, _) = established();
    for _ in 0..10 {
        mobile.send(&syn());
        for packet in mobile.transmitted() {
            refuse(&mut mobile, &packet);
        }
        mobile.wait(secs(1));
        for update in mobile.updates() {
            if let DatapathUpdate::ReadActivity(handle) = update {
                mobile.node.handle_activity(mobile.now, handle, None);
            }
        }
    }
    assert_eq!(mobile.state(FIXED), Some("classic"));
    assert!(mobile.events().iter().any(is_fell_back));
}

#[test]
fn an_established_correspondent_that_answers_is_kept_whatever_others_say() {
    let (mut mobile, mut fixed) = established();
    for _ in 0..10 {
        mobile.send(&udp(there(), (1, 2)));
        let sent = mobile.transmitted();
        refuse(&mut mobile, &sent[0]);
        exchange(&mut mobile, &mut fixed);
        mobile.wait(secs(1));
    }
    assert_eq!(mobile.state(FIXED), Some("established"));
}
