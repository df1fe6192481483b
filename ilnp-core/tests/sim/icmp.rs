//! ICMPv6 errors (RFC 6741 §11.1, RFC 6744 §7): authenticated, and told in terms of handles.

use std::net::{Ipv6Addr, SocketAddrV6};

use bytes::Bytes;
use ilnp_core::drop_reason::DropReason;
use ilnp_core::id::IlVector;
use ilnp_core::sim::stack::{Icmp, Message};
use ilnp_core::sim::{Pair, Session, host_nid, site_locator};
use ilnp_core::wire::{Nonce, Packet, build, translate};

use super::support::*;

const UNREACHABLE: u8 = 1;
const PACKET_TOO_BIG: u8 = 2;
const TIME_EXCEEDED: u8 = 3;
const PORT_UNREACHABLE: u8 = 4;
const NONCE_HEADER: u32 = 16;

fn flowing() -> (Pair, Session, Capture) {
    let mut pair = Pair::default();
    let capture = Capture::start(&mut pair.world);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    (pair, session, capture)
}

/// An ICMPv6 error of a router on the path, about a packet of the mobile host.
fn from_router(about: &Seen, kind: u8, parameter: u32) -> Bytes {
    let router: Ipv6Addr = "2001:db8:ffff::1".parse().unwrap();
    let mut body = parameter.to_be_bytes().to_vec();
    body.extend_from_slice(&about.octets);
    Message::Icmp(Icmp {
        source: router,
        destination: about.headers.source,
        kind,
        code: 0,
        body: body.into(),
    })
    .emit()
}

/// The last TCP segment of the mobile host.
fn last_segment(pair: &Pair, capture: &Capture) -> Seen {
    capture.of(pair.world.host(pair.mobile)).pop().unwrap()
}

#[test]
fn a_closed_port_is_reported_to_the_application_in_terms_of_handles() {
    let (mut pair, _, capture) = flowing();
    let [from, to] = [pair.mobile, pair.fixed].map(|id| pair.world.host(id).address());
    let closed = SocketAddrV6::new(to, 9, 0, 0);
    pair.world.act(pair.mobile, |host, now| {
        host.stack.stream(now, from, closed, SECOND * 100)
    });
    pair.world.run_for(SECOND);
    let stack = &pair.world.host(pair.mobile).stack;
    let [error] = stack.errors() else {
        panic!("{:?}", stack.errors());
    };
    assert_eq!((error.kind, error.code), (UNREACHABLE, PORT_UNREACHABLE));
    assert_eq!((error.source, error.destination), (to, from));
    let quote = Message::parse(&error.quote());
    assert!(matches!(quote, Ok(Message::Udp(sent)) if sent.destination == closed));
    // On the wire it carried the Nonce of its sender.
    let fixed = capture.of(pair.world.host(pair.fixed));
    assert!(fixed.iter().all(|seen| seen.headers.nonce.is_some()));
}

#[test]
fn a_router_that_says_packet_too_big_is_heard_with_room_for_the_nonce() {
    let (mut pair, _, capture) = flowing();
    let about = last_segment(&pair, &capture);
    pair.world.inject(from_router(&about, PACKET_TOO_BIG, 1400));
    pair.world.run_for(MS * 100);
    let mobile = pair.world.host(pair.mobile);
    let [error] = mobile.stack.errors() else {
        panic!("{:?}", mobile.stack.errors());
    };
    assert_eq!(error.kind, PACKET_TOO_BIG);
    let told = u32::from_be_bytes(error.body[..4].try_into().unwrap());
    assert_eq!(told, 1400 - NONCE_HEADER);
    let handles = [pair.mobile, pair.fixed].map(|id| pair.world.host(id).address());
    let Ok(Message::Tcp(quoted)) = Message::parse(&error.quote()) else {
        panic!("the quote is the segment as the kernel sent it");
    };
    assert_eq!([*quoted.source.ip(), *quoted.destination.ip()], handles);
}

#[test]
fn a_router_that_says_time_exceeded_is_heard() {
    let (mut pair, _, capture) = flowing();
    let about = last_segment(&pair, &capture);
    pair.world.inject(from_router(&about, TIME_EXCEEDED, 0));
    pair.world.run_for(MS * 100);
    let errors = pair.world.host(pair.mobile).stack.errors();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].kind, TIME_EXCEEDED);
}

#[test]
fn an_error_about_a_packet_from_before_a_move_is_heard() {
    let (mut pair, _, capture) = flowing();
    let about = last_segment(&pair, &capture);
    pair.world.attach(pair.mobile, pair.b);
    pair.world.run_for(SECOND);
    pair.world.inject(from_router(&about, PACKET_TOO_BIG, 1400));
    pair.world.run_for(MS * 100);
    assert_eq!(pair.world.host(pair.mobile).stack.errors().len(), 1);
}

/// A Port Unreachable that claims to come from the correspondent.
fn from_correspondent(pair: &mut Pair, about: &Seen, nonce: Option<&Nonce>) -> Bytes {
    let mut body = vec![0; 4];
    body.extend_from_slice(&about.octets);
    let [a, _, c, _] = locators(pair);
    let source = IlVector::new(host_nid(2), c);
    let destination = IlVector::new(host_nid(1), a);
    let plain = Message::Icmp(Icmp {
        source: source.address(),
        destination: destination.address(),
        kind: UNREACHABLE,
        code: PORT_UNREACHABLE,
        body: body.into(),
    })
    .emit();
    match nonce {
        Some(nonce) => build::icmpv6(source, destination, nonce, &plain[40..]).octets,
        None => plain,
    }
}

#[test]
fn an_error_of_a_correspondent_without_its_nonce_is_a_forgery() {
    let (mut pair, session, capture) = flowing();
    let about = last_segment(&pair, &capture);
    let forged = from_correspondent(&mut pair, &about, None);
    pair.world.inject(forged);
    pair.world.run_for(SECOND);
    let mobile = pair.world.host(pair.mobile);
    assert_eq!(mobile.stack.errors(), []);
    assert_eq!(dropped(mobile, DropReason::IcmpForged), 1);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn an_error_of_a_correspondent_with_another_nonce_is_a_forgery() {
    let (mut pair, _, capture) = flowing();
    let about = last_segment(&pair, &capture);
    let wrong = Nonce::from_slice(&[7; 12]).unwrap();
    let forged = from_correspondent(&mut pair, &about, Some(&wrong));
    pair.world.inject(forged);
    pair.world.run_for(SECOND);
    let mobile = pair.world.host(pair.mobile);
    assert_eq!(mobile.stack.errors(), []);
    assert_eq!(dropped(mobile, DropReason::IcmpForged), 1);
}

#[test]
fn an_error_of_a_correspondent_with_its_nonce_is_heard() {
    let (mut pair, _, capture) = flowing();
    let about = last_segment(&pair, &capture);
    let theirs = nonce(&capture.of(pair.world.host(pair.fixed))[0]);
    let error = from_correspondent(&mut pair, &about, Some(&theirs));
    pair.world.inject(error);
    pair.world.run_for(SECOND);
    assert_eq!(pair.world.host(pair.mobile).stack.errors().len(), 1);
}

#[test]
fn an_error_that_quotes_what_was_never_sent_is_dropped() {
    let (mut pair, _, capture) = flowing();
    let mut about = last_segment(&pair, &capture);
    let mut octets = about.octets.to_vec();
    octets[50] ^= 1; // in the Nonce
    about.octets = octets.into();
    pair.world.inject(from_router(&about, PACKET_TOO_BIG, 1280));
    pair.world.run_for(SECOND);
    let mobile = pair.world.host(pair.mobile);
    assert_eq!(mobile.stack.errors(), []);
    assert_eq!(dropped(mobile, DropReason::IcmpUnmatched), 1);
}

#[test]
fn an_error_with_a_wrong_checksum_is_dropped() {
    let (mut pair, _, capture) = flowing();
    let about = last_segment(&pair, &capture);
    let mut octets = from_router(&about, PACKET_TOO_BIG, 1280).to_vec();
    octets[42] ^= 1;
    pair.world.inject(octets.into());
    pair.world.run_for(SECOND);
    let mobile = pair.world.host(pair.mobile);
    assert_eq!(mobile.stack.errors(), []);
    assert_eq!(dropped(mobile, DropReason::IcmpChecksum), 1);
}

#[test]
fn an_error_about_a_classic_packet_is_left_alone() {
    let mut pair = Pair::default();
    let [a, _, c, _] = locators(&mut pair);
    let [from, to] = [(pair.mobile, a), (pair.fixed, c)]
        .map(|(id, locator)| pair.world.host(id).vector(locator));
    let closed = SocketAddrV6::new(to, 9, 0, 0);
    pair.world.act(pair.mobile, |host, now| {
        host.stack.stream(now, from, closed, SECOND * 100)
    });
    pair.world.run_for(SECOND);
    let errors = pair.world.host(pair.mobile).stack.errors();
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].source, errors[0].destination), (to, from));
}

#[test]
fn an_echo_checksum_covers_the_locators() {
    let (mut pair, _, _) = flowing();
    let capture = Capture::start(&mut pair.world);
    let [from, to] = [pair.mobile, pair.fixed].map(|id| pair.world.host(id).address());
    pair.world
        .act(pair.mobile, |host, _| host.stack.ping(from, to, 1, 1));
    pair.world.run_for(SECOND);
    let echoes: Vec<_> = capture
        .packets()
        .into_iter()
        .filter(|seen| seen.headers.protocol == 58)
        .collect();
    assert_eq!(echoes.len(), 2);
    for seen in echoes {
        // Without its Nonce the packet is what any IPv6 host takes for a good echo.
        let prefixes = translate::Inward {
            source: seen.source(),
            destination: seen.destination(),
        };
        let packet = Packet::new(seen.octets.clone());
        let plain = translate::inward(&packet, &seen.headers, &prefixes).unwrap();
        assert!(matches!(
            Message::parse(&plain.octets),
            Ok(Message::Icmp(_))
        ));
    }
    assert_eq!(pair.world.host(pair.mobile).stack.echoes().len(), 1);
    assert_eq!(site_locator(0xa), locators(&mut pair)[0]);
}
