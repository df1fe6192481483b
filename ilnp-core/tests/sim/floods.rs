//! Floods of spoofed packets (RFC 6741 §5.4 leaves limits to us): bounded memory, and nobody else
//! is harmed.

use std::net::SocketAddrV6;

use bytes::Bytes;
use ilnp_core::drop_reason::DropReason;
use ilnp_core::id::{Handle, HandlePrefix, IlVector, Locator, Nid};
use ilnp_core::node::Limits;
use ilnp_core::sim::stack::{Datagram, Message, Segment};
use ilnp_core::sim::{Pair, Session, Settings, host_nid};
use ilnp_core::wire::Nonce;
use ilnp_core::wire::transport::tcp_flags::SYN;

use super::support::*;

const FLOOD: u64 = 100_000;
/// A port that nobody listens on: kernels answer, and remember nothing.
const CLOSED: u16 = 9;

/// A flooded correspondent with small tables, and a session that was there before.
fn flowing() -> (Pair, Session) {
    let mut settings = Settings::default();
    settings.fixed.limits = Limits {
        tentative: 256,
        tentative_per_locator: 32,
        ..Limits::default()
    };
    let mut pair = Pair::new(settings);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    (pair, session)
}

/// Scatters numbers over 64 bits.
const fn scatter(number: u64) -> u64 {
    number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The `number`th spoofed first packet to the correspondent.
fn first_packet(pair: &mut Pair, number: u64, source: Locator) -> Bytes {
    let [_, _, c, _] = locators(pair);
    let sender = Nid::from_random(scatter(number));
    let socket = |nid, port| {
        let address = HandlePrefix::DEFAULT.address(Handle::new(nid));
        SocketAddrV6::new(address, port, 0, 0)
    };
    let message = if number.is_multiple_of(2) {
        Message::Tcp(Segment {
            source: socket(sender, 4000),
            destination: socket(host_nid(2), CLOSED),
            sequence: 0,
            acknowledgement: 0,
            flags: SYN,
            payload: Bytes::new(),
        })
    } else {
        Message::Udp(Datagram {
            source: socket(sender, 4000),
            destination: socket(host_nid(2), CLOSED),
            payload: Bytes::from_static(b"flood"),
        })
    };
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&scatter(!number).to_be_bytes());
    on_the_wire(&message, source, c, Nonce::from_slice(&nonce).unwrap())
}

fn tables(pair: &Pair) -> (usize, usize) {
    let fixed = pair.world.host(pair.fixed);
    let node = fixed.node().unwrap().correspondents(pair.world.now()).len();
    (node, fixed.datapath().unwrap().correspondents())
}

#[test]
fn a_hundred_thousand_spoofed_first_packets_fill_no_table_and_harm_no_session() {
    let (mut pair, session) = flowing();
    for number in 0..FLOOD {
        let source = Locator::from_bits(0x2a00_0000_0000_0000 | scatter(number) >> 16);
        let packet = first_packet(&mut pair, number, source);
        pair.world.inject(packet);
        if number % 100 == 0 {
            pair.world.run_for(MS);
        }
    }
    pair.world.run_for(SECOND);
    let (correspondents, in_datapath) = tables(&pair);
    assert!(correspondents <= 257, "{correspondents}");
    assert_eq!(in_datapath, 1, "only what is proved gets there");
    assert!(pair.world.longest_pause(&session) < MS * 80);
    pair.world.move_to(pair.mobile, pair.b);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn a_flood_from_one_locator_takes_only_its_share() {
    let (mut pair, _) = flowing();
    let source: Locator = "2a00:1:2:3::/64".parse().unwrap();
    for number in 0..1_000 {
        let packet = first_packet(&mut pair, number, source);
        pair.world.inject(packet);
    }
    pair.world.run_for(SECOND);
    let (correspondents, _) = tables(&pair);
    assert!(correspondents <= 33, "{correspondents}");
}

#[test]
fn a_new_session_begins_during_a_flood() {
    let (mut pair, _) = flowing();
    let other = pair
        .world
        .add_host(ilnp_core::node::Config::new(host_nid(3)));
    pair.world.attach(other, pair.b);
    pair.world.introduce(other, pair.fixed);
    let mut session = None;
    for number in 0..20_000 {
        let source = Locator::from_bits(0x2a00_0000_0000_0000 | scatter(number) >> 16);
        let packet = first_packet(&mut pair, number, source);
        pair.world.inject(packet);
        // A thousand a second: within a round trip the table does not turn over.
        pair.world.run_for(MS);
        if number == 5_000 {
            session = Some(pair.world.connect(other, pair.fixed, WRITE));
        }
    }
    assert!(pair.world.is_established(&session.unwrap()));
}

#[test]
fn what_a_flood_began_is_forgotten_soon_after() {
    let (mut pair, _) = flowing();
    for number in 0..1_000 {
        let source = Locator::from_bits(0x2a00_0000_0000_0000 | scatter(number) >> 16);
        let packet = first_packet(&mut pair, number, source);
        pair.world.inject(packet);
    }
    pair.world.run_for(SECOND * 60);
    assert_eq!(tables(&pair), (1, 1));
}

#[test]
fn security_events_are_counted_all_and_reported_at_a_limited_rate() {
    let (mut pair, _) = flowing();
    let [a, _, c, _] = locators(&mut pair);
    let [from, to] = [(1, a), (2, c)].map(|(n, at)| IlVector::new(host_nid(n), at));
    let wrong = Nonce::from_slice(&[9; 12]).unwrap();
    for _ in 0..10_000 {
        let forged = advertisement(from, to, &wrong, &[a]);
        pair.world.inject(forged);
    }
    pair.world.run_for(SECOND);
    let fixed = pair.world.host(pair.fixed);
    assert_eq!(dropped(fixed, DropReason::UpdateWrongNonce), 10_000);
    let reported = count_events(fixed, |event| {
        matches!(event, ilnp_core::node::Event::Security { .. })
    });
    assert!((1..=40).contains(&reported), "{reported}");
}
