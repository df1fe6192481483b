//! UDP that is never answered (RFC 6741 §13.1): the receiver says a word of its own, so that both
//! know each other's Nonces.

use ilnp_core::sim::{Pair, Stream};
use ilnp_core::wire::protocol::NO_NEXT_HEADER;

use super::support::*;

fn streaming() -> (Pair, Stream, Capture) {
    let mut pair = Pair::default();
    let capture = Capture::start(&mut pair.world);
    let stream = pair.world.stream(pair.mobile, pair.fixed, MS);
    pair.world.run_for(SECOND);
    (pair, stream, capture)
}

#[test]
fn the_receiver_sends_few_packets_of_its_own() {
    let (mut pair, stream, capture) = streaming();
    pair.world.run_for(SECOND * 59);
    let sent = capture.of(pair.world.host(pair.fixed));
    assert!((1..=4).contains(&sent.len()), "{}", sent.len());
    assert!(sent.iter().all(|seen| seen.headers.nonce.is_some()));
    assert_eq!(pair.world.finish(&stream, SECOND), 0);
}

#[test]
fn nothing_but_the_stream_reaches_the_applications() {
    let (pair, _, _) = streaming();
    for id in [pair.mobile, pair.fixed] {
        let stack = &pair.world.host(id).stack;
        assert_eq!((stack.refused(), stack.errors()), (&[][..], &[][..]));
        assert_eq!(stack.echoes(), []);
    }
}

#[test]
fn the_stream_needs_no_daemon_once_it_flows() {
    let (mut pair, stream, _) = streaming();
    for id in [pair.mobile, pair.fixed] {
        pair.world.act(id, |host, _| host.kill_daemon());
    }
    pair.world.run_for(SECOND);
    assert_eq!(pair.world.finish(&stream, SECOND), 0);
}

#[test]
fn the_sender_moves_and_nothing_is_lost() {
    let (mut pair, stream, _) = streaming();
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND);
    assert_eq!(pair.world.finish(&stream, SECOND), 0);
}

#[test]
fn the_receiver_moves_and_the_sender_follows_after_a_round_trip() {
    let (mut pair, stream, _) = streaming();
    pair.world.restart_pause(&stream);
    pair.world.move_to(pair.fixed, pair.d);
    pair.world.run_for(SECOND);
    let pause = pair.world.stream_pause(&stream);
    assert!(pause <= MS * 52, "{pause:?}");
}

#[test]
fn a_gratuitous_packet_is_an_ipv6_packet_without_next_header() {
    let (pair, _, capture) = streaming();
    let bare = capture
        .of(pair.world.host(pair.fixed))
        .into_iter()
        .filter(|seen| seen.headers.protocol == NO_NEXT_HEADER);
    for seen in bare {
        assert_eq!(seen.headers.upper, seen.octets.len());
    }
}
