//! Hard handoffs (RFC 6740 §6.2, RFC 6744 §4): the old Locator is gone when the new one comes.

use ilnp_core::node::Event;
use ilnp_core::sim::{Pair, Settings};
use ilnp_core::wire::Operation;

use super::support::*;

#[test]
fn a_tcp_session_survives() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    pair.world.move_to(pair.mobile, pair.b);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn a_session_survives_the_move_of_the_end_that_accepted_it() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    pair.world.move_to(pair.fixed, pair.d);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn the_correspondent_misses_nothing_and_the_mover_a_round_trip() {
    let mut pair = Pair::default();
    let there = pair.world.stream(pair.mobile, pair.fixed, MS);
    pair.world.run_for(SECOND);
    let back = pair.world.stream_back(&there, MS);
    pair.world.run_for(SECOND);
    pair.world.restart_pause(&there);
    pair.world.restart_pause(&back);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND);
    assert!(pair.world.stream_pause(&there) <= MS * 2);
    assert!(pair.world.stream_pause(&back) <= MS * 52);
    assert_eq!(pair.world.finish(&there, SECOND), 0);
    let missed = pair.world.finish(&back, SECOND);
    assert!((49..=51).contains(&missed), "{missed}");
}

#[test]
fn thirty_moves_back_and_forth_survive() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    for round in 0..30 {
        let site = if round % 2 == 0 { pair.b } else { pair.a };
        pair.world.move_to(pair.mobile, site);
        let took = pair.world.drive_until_flowing(&session, SECOND);
        assert!(took.is_some(), "move {round}");
    }
}

#[test]
fn the_update_names_the_new_locator_alone_and_is_acknowledged() {
    let mut pair = Pair::default();
    let [_, b, c, _] = locators(&mut pair);
    pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    let capture = Capture::start(&mut pair.world);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND * 2);

    let sent = capture.updates(Operation::Advertisement);
    assert_eq!(sent.len(), 1, "one update a correspondent");
    assert_eq!((sent[0].source(), sent[0].destination()), (b, c));
    assert_eq!(listed(&sent[0].update().unwrap()), [b]);

    let acknowledged = capture.updates(Operation::Acknowledgement);
    assert_eq!(acknowledged.len(), 1);
    assert_eq!(acknowledged[0].destination(), b);
    let [sent, acknowledged] = [&sent[0], &acknowledged[0]].map(|seen| seen.update().unwrap());
    assert_eq!(sent.records(), acknowledged.records());
}

#[test]
fn updates_and_acknowledgements_carry_the_nonces_of_the_session() {
    let mut pair = Pair::default();
    let capture = Capture::start(&mut pair.world);
    pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND);
    for (id, operation) in [
        (pair.mobile, Operation::Advertisement),
        (pair.fixed, Operation::Acknowledgement),
    ] {
        let nonce = |seen: &Seen| seen.headers.nonce.as_ref().unwrap().nonce;
        let data = nonce(&capture.of(pair.world.host(id))[0]);
        for seen in capture.updates(operation) {
            assert_eq!(nonce(&seen), data);
        }
    }
}

#[test]
fn the_old_locator_is_never_a_source_again() {
    let mut pair = Pair::default();
    let [a, ..] = locators(&mut pair);
    pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    pair.world.move_to(pair.mobile, pair.b);
    // What was on its way to the core when the host moved arrives there.
    pair.world.run_for(MS * 15);
    let capture = Capture::start(&mut pair.world);
    pair.world.run_for(SECOND * 5);
    let mobile = pair.world.host(pair.mobile);
    assert!(capture.of(mobile).iter().all(|seen| seen.source() != a));
    assert_eq!(pair.world.internet().dropped().foreign_source, 0);
}

#[test]
fn the_fast_path_takes_over_again_after_a_move() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND);
    for id in [pair.mobile, pair.fixed] {
        pair.world.act(id, |host, _| host.kill_daemon());
    }
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn a_move_in_the_middle_of_a_handshake_only_costs_a_retransmission() {
    for after in [0, 10, 24, 26, 40, 49, 51, 60, 74, 76] {
        let mut pair = Pair::default();
        let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
        pair.world.run_for(MS * after);
        pair.world.move_to(pair.mobile, pair.b);
        let took = pair.world.drive_until_flowing(&session, SECOND * 8);
        assert!(took.is_some(), "moved after {after} ms");
    }
}

#[test]
fn two_moves_within_a_millisecond_end_where_the_second_went() {
    let mut pair = Pair::default();
    let [a, ..] = locators(&mut pair);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(MS);
    pair.world.move_to(pair.mobile, pair.a);
    assert!(
        pair.world
            .drive_until_flowing(&session, SECOND * 2)
            .is_some()
    );
    pair.world.run_for(SECOND * 5);
    let fixed = pair.world.host(pair.fixed);
    let last = fixed
        .events()
        .iter()
        .rev()
        .find_map(|(_, event)| match event {
            Event::DestinationChanged { locator, .. } => Some(*locator),
            _ => None,
        });
    assert!(last.is_none_or(|locator| locator == a), "{last:?}");
}

#[test]
fn ten_moves_in_five_seconds_and_the_session_lives() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    for round in 0..10 {
        let site = if round % 2 == 0 { pair.b } else { pair.a };
        pair.world.move_to(pair.mobile, site);
        pair.world.run_for(MS * 500);
    }
    assert!(
        pair.world
            .drive_until_flowing(&session, SECOND * 2)
            .is_some()
    );
}

#[test]
fn moves_faster_than_a_round_trip_settle_when_the_host_does() {
    let mut pair = Pair::new(Settings {
        round_trip: MS * 200,
        ..Settings::default()
    });
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    for round in 0..21 {
        let site = if round % 2 == 0 { pair.b } else { pair.a };
        pair.world.move_to(pair.mobile, site);
        pair.world.run_for(MS * 30);
    }
    assert!(
        pair.world
            .drive_until_flowing(&session, SECOND * 10)
            .is_some()
    );
}

#[test]
fn a_host_without_locators_waits_and_goes_on() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    pair.world.isolate(pair.mobile);
    // What was on its way to the core when the link went arrives there.
    pair.world.run_for(MS * 15);
    let capture = Capture::start(&mut pair.world);
    pair.world.run_for(SECOND * 20);
    assert_eq!(capture.of(pair.world.host(pair.mobile)).len(), 0);
    pair.world.move_to(pair.mobile, pair.b);
    // The kernels wait until their retransmission timers run out, which doubled meanwhile.
    assert!(
        pair.world
            .drive_until_flowing(&session, SECOND * 30)
            .is_some()
    );
}

#[test]
fn an_echo_is_answered_right_after_a_move() {
    let mut pair = Pair::default();
    let [from, to] = [pair.mobile, pair.fixed].map(|id| pair.world.host(id).address());
    for (sequence, site) in [(0, pair.a), (1, pair.b), (2, pair.a), (3, pair.b)] {
        if sequence > 0 {
            pair.world.move_to(pair.mobile, site);
        }
        pair.world.act(pair.mobile, |host, _| {
            host.stack.ping(from, to, 1, sequence)
        });
        pair.world.run_for(SECOND);
    }
    let echoes = pair.world.host(pair.mobile).stack.echoes();
    assert_eq!(echoes.iter().filter(|echo| echo.2 == 1).count(), 4);
}
