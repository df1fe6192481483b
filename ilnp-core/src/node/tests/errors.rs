//! ICMPv6 errors.

use super::support::*;
use crate::drop_reason::DropReason;
use crate::node::Event;
use crate::wire::{Headers, IcmpError, Packet};

const UNREACHABLE: (u8, u8, u32) = (1, 4, 0);
const TOO_BIG: (u8, u8, u32) = (2, 0, 1400);

fn router() -> std::net::Ipv6Addr {
    "2001:db8:ffff::1".parse().unwrap()
}

/// What the mobile host sent.
fn sent(mobile: &mut Host) -> Packet {
    mobile.send(&tcp(
        (handle(MOBILE), handle(FIXED)),
        (1000, 80),
        (102, 501),
        ACK,
    ));
    mobile.transmitted().remove(0)
}

fn to_mobile() -> std::net::Ipv6Addr {
    crate::id::IlVector::new(MOBILE, A).address()
}

fn from_fixed() -> std::net::Ipv6Addr {
    crate::id::IlVector::new(FIXED, C).address()
}

#[test]
fn a_router_is_believed_when_it_quotes_our_nonce_and_the_kernel_sees_handles() {
    let (mut mobile, _) = established();
    let about = sent(&mut mobile);
    mobile.receive(&error((router(), to_mobile()), TOO_BIG, &about));
    let delivered = mobile.delivered();
    let headers = Headers::parse(&delivered[0].octets).unwrap();
    assert_eq!(
        (headers.source, headers.destination),
        (router(), handle(MOBILE))
    );
    let seen = IcmpError::parse(headers.upper_layer(&delivered[0].octets)).unwrap();
    assert_eq!(seen.value, 1400 - 16);
    assert_eq!(
        (seen.quoted.source, seen.quoted.destination),
        (handle(MOBILE), handle(FIXED))
    );
    assert!(seen.quoted.nonce.is_none());
}

#[test]
fn a_router_that_quotes_another_nonce_is_not_believed() {
    let (mut mobile, _) = established();
    let data = tcp((handle(MOBILE), handle(FIXED)), (1000, 80), (102, 501), ACK);
    let about = with_nonce(&data, A, C, forged());
    mobile.receive(&error((router(), to_mobile()), TOO_BIG, &about));
    assert!(mobile.delivered().is_empty());
    assert_eq!(mobile.dropped(DropReason::IcmpUnmatched), 1);
}

#[test]
fn an_error_of_a_correspondent_without_its_nonce_is_a_forgery() {
    let (mut mobile, _) = established();
    let about = sent(&mut mobile);
    mobile.receive(&error((from_fixed(), to_mobile()), UNREACHABLE, &about));
    assert!(mobile.delivered().is_empty());
    assert_eq!(mobile.dropped(DropReason::IcmpForged), 1);
    let reported = |event: &Event| {
        matches!(
            event,
            Event::Security {
                reason: DropReason::IcmpForged,
                ..
            }
        )
    };
    assert!(mobile.events().iter().any(reported));
}

#[test]
fn an_error_of_a_correspondent_with_a_wrong_nonce_is_a_forgery() {
    let (mut mobile, _) = established();
    let about = sent(&mut mobile);
    let forgery = error((handle(FIXED), handle(MOBILE)), UNREACHABLE, &about);
    mobile.receive(&with_nonce(&forgery, C, A, forged()));
    assert!(mobile.delivered().is_empty());
    assert_eq!(mobile.dropped(DropReason::IcmpForged), 1);
}

#[test]
fn an_error_of_a_correspondent_with_its_nonce_reaches_the_program() {
    let (mut mobile, mut fixed) = established();
    mobile.send(&udp((handle(MOBILE), handle(FIXED)), (4000, 5000)));
    let (_, delivered) = exchange(&mut mobile, &mut fixed);
    // The kernel of the fixed host answers over handles.
    fixed.send(&error(
        (handle(FIXED), handle(MOBILE)),
        UNREACHABLE,
        &delivered[0],
    ));
    let answer = fixed.transmitted();
    assert_eq!(nonce(&answer[0]), Some(fixed.nonce_to(MOBILE)));
    mobile.receive(&answer[0]);
    let seen = mobile.delivered();
    let headers = Headers::parse(&seen[0].octets).unwrap();
    assert_eq!(
        (headers.source, headers.destination),
        (handle(FIXED), handle(MOBILE))
    );
    let error = IcmpError::parse(headers.upper_layer(&seen[0].octets)).unwrap();
    assert_eq!(
        (error.quoted.source, error.quoted.destination),
        (handle(MOBILE), handle(FIXED))
    );
}

/// The port is closed: the first packet of the session is the one that is answered by an error.
#[test]
fn an_error_about_the_first_packet_of_a_session_reaches_the_program() {
    let (mut mobile, mut fixed) = strangers();
    fixed.knows(MOBILE, &[A]);
    fixed.flush();
    mobile.send(&udp((handle(MOBILE), handle(FIXED)), (4000, 5000)));
    let first = mobile.transmitted();
    fixed.receive(&first[0]);
    let delivered = fixed.delivered();
    fixed.send(&error(
        (handle(FIXED), handle(MOBILE)),
        UNREACHABLE,
        &delivered[0],
    ));
    for packet in fixed.transmitted() {
        mobile.receive(&packet);
    }
    // The other one is the question whether the mobile host can be reached.
    let answers = mobile.delivered();
    let errors = answers.iter().filter(|packet| {
        let headers = Headers::parse(&packet.octets).unwrap();
        IcmpError::parse(headers.upper_layer(&packet.octets)).is_ok()
    });
    assert_eq!(errors.count(), 1, "{answers:?}");
}

#[test]
fn an_error_with_a_wrong_checksum_is_refused() {
    let (mut mobile, _) = established();
    let about = sent(&mut mobile);
    let mut packet = error((router(), to_mobile()), TOO_BIG, &about);
    let mut octets = packet.octets.to_vec();
    octets[42] ^= 1;
    packet.octets = octets.into();
    mobile.receive(&packet);
    assert!(mobile.delivered().is_empty());
    assert_eq!(mobile.dropped(DropReason::IcmpChecksum), 1);
}

#[test]
fn an_error_about_a_classic_packet_is_given_back() {
    let (mut mobile, _) = established();
    let classic = udp((to_mobile(), from_fixed()), (1, 2));
    let packet = error((from_fixed(), to_mobile()), UNREACHABLE, &classic);
    mobile.receive(&packet);
    assert_eq!(mobile.delivered(), [packet]);
}

#[test]
fn neighbour_discovery_needs_no_nonce() {
    let (mut mobile, _) = established();
    let advertisement = icmpv6(from_fixed(), to_mobile(), vec![136; 24]);
    mobile.receive(&advertisement);
    assert_eq!(mobile.delivered(), [advertisement]);
}
