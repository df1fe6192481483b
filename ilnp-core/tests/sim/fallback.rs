//! Correspondents that do not speak ILNP (RFC 6744 §6): their sessions are classic IPv6, while the
//! applications keep the handle.

use std::time::Duration;

use ilnp_core::node::Event;
use ilnp_core::sim::stack::tcp::State;
use ilnp_core::sim::{Pair, Session, Unaware};

use super::support::*;

/// A pair of which the correspondent does not speak ILNP.
fn pair_with(unaware: Unaware) -> Pair {
    let mut pair = Pair::default();
    pair.world
        .act(pair.fixed, |host, _| host.make_classic(unaware));
    pair
}

/// How long the application waits for its session.
fn connect(pair: &mut Pair) -> (Session, Option<Duration>) {
    connect_writing(pair, WRITE)
}

/// As `connect`, with both ends writing at this interval.
fn connect_writing(pair: &mut Pair, interval: Duration) -> (Session, Option<Duration>) {
    let session = pair.world.connect(pair.mobile, pair.fixed, interval);
    let took = pair.world.drive_until(SECOND * 20, |world| {
        world.client(&session).state() == State::Established
    });
    (session, took)
}

#[test]
fn a_parameter_problem_makes_the_session_classic() {
    let mut pair = pair_with(Unaware::ParameterProblem);
    let (session, took) = connect(&mut pair);
    assert!(took.is_some_and(|took| took <= MS * 1_100), "{took:?}");
    assert!(pair.world.drive_until_served(&session, SECOND).is_some());
    let fell_back = count_events(
        pair.world.host(pair.mobile),
        |event| matches!(event, Event::FellBack { why, .. } if *why == "parameter-problem"),
    );
    assert_eq!(fell_back, 1);
}

#[test]
fn the_application_sees_no_error_of_the_first_attempt() {
    let mut pair = pair_with(Unaware::ParameterProblem);
    connect(&mut pair);
    assert_eq!(pair.world.host(pair.mobile).stack.errors(), []);
}

#[test]
fn silence_makes_the_session_classic_before_the_application_gives_up() {
    let mut pair = pair_with(Unaware::Silent);
    let (session, took) = connect(&mut pair);
    assert!(took.is_some_and(|took| took <= MS * 7_100), "{took:?}");
    assert!(pair.world.drive_until_served(&session, SECOND).is_some());
}

#[test]
fn a_classic_session_has_no_nonce_and_right_checksums() {
    let mut pair = pair_with(Unaware::ParameterProblem);
    let (session, _) = connect(&mut pair);
    let capture = Capture::start(&mut pair.world);
    pair.world.run_for(SECOND);
    assert!(pair.world.drive_until_served(&session, SECOND).is_some());
    assert!(capture.packets().len() > 50);
    for seen in capture.packets() {
        assert_eq!(seen.headers.nonce, None);
    }
    for id in [pair.mobile, pair.fixed] {
        assert_eq!(pair.world.host(id).stack.refused(), []);
    }
}

#[test]
fn the_next_session_is_classic_at_once() {
    let mut pair = pair_with(Unaware::Silent);
    connect(&mut pair);
    let capture = Capture::start(&mut pair.world);
    let (_, took) = connect(&mut pair);
    assert_eq!(took, Some(MS * 50));
    assert!(
        capture
            .packets()
            .iter()
            .all(|seen| seen.headers.nonce.is_none())
    );
}

#[test]
fn ilnp_is_tried_again_after_a_while() {
    let mut pair = pair_with(Unaware::ParameterProblem);
    let (session, _) = connect_writing(&mut pair, SECOND);
    assert!(
        pair.world
            .drive_until_served(&session, SECOND * 3)
            .is_some()
    );
    pair.world.run_for(SECOND * 700);
    let capture = Capture::start(&mut pair.world);
    let (_, took) = connect(&mut pair);
    assert!(took.is_some());
    let with_nonce = |seen: &Seen| seen.headers.nonce.is_some();
    assert!(capture.packets().iter().any(with_nonce));
    // The session that was classic stays so.
    assert!(
        pair.world
            .drive_until_served(&session, SECOND * 3)
            .is_some()
    );
}

#[test]
fn echoes_fall_back() {
    let mut pair = pair_with(Unaware::ParameterProblem);
    let [from, to] = [pair.mobile, pair.fixed].map(|id| pair.world.host(id).address());
    for sequence in 0..5 {
        pair.world.act(pair.mobile, |host, _| {
            host.stack.ping(from, to, 9, sequence)
        });
        pair.world.run_for(SECOND);
    }
    let stack = &pair.world.host(pair.mobile).stack;
    assert!(stack.echoes().len() >= 4, "{:?}", stack.echoes());
    assert!(stack.echoes().iter().all(|echo| echo.1 == to));
    assert_eq!(stack.refused(), []);
}

#[test]
fn datagrams_fall_back() {
    let mut pair = pair_with(Unaware::ParameterProblem);
    let there = pair.world.stream(pair.mobile, pair.fixed, MS * 10);
    pair.world.run_for(SECOND);
    // The correspondent sees real addresses.
    let [a, _, c, _] = locators(&mut pair);
    let mut sockets = there.to.1;
    sockets.local.set_ip(pair.world.host(pair.fixed).vector(c));
    sockets
        .remote
        .set_ip(pair.world.host(pair.mobile).vector(a));
    let received = pair.world.host(pair.fixed).stack.received(&sockets);
    assert!(received.unwrap().distinct() >= 90);
}

#[test]
fn a_host_that_learns_ilnp_is_not_held_to_its_past() {
    let mut pair = Pair::default();
    // The first attempts are lost, so that it looks like a host that does not speak ILNP.
    drop_first(&mut pair.world, 4, |octets| {
        ilnp_core::wire::Headers::parse(octets).is_ok_and(|headers| headers.nonce.is_some())
    });
    connect(&mut pair);
    pair.world.introduce(pair.fixed, pair.mobile);
    let session = pair.world.connect(pair.fixed, pair.mobile, WRITE);
    let flowing = pair.world.drive_until_flowing(&session, SECOND * 5);
    assert!(flowing.is_some());
}
