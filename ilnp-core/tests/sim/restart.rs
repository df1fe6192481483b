//! Daemons and hosts that start again.

use ilnp_core::sim::stack::tcp::{Failure, State};
use ilnp_core::sim::{Pair, Session};
use ilnp_core::wire::Operation;

use super::support::*;

fn flowing() -> (Pair, Session) {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    (pair, session)
}

#[test]
fn no_datagram_is_lost_while_no_daemon_runs_and_a_new_one_takes_over() {
    let mut pair = Pair::default();
    let there = pair.world.stream(pair.mobile, pair.fixed, MS);
    pair.world.run_for(MS * 100);
    let back = pair.world.stream_back(&there, MS);
    pair.world.run_for(SECOND);
    for id in [pair.mobile, pair.fixed] {
        pair.world.act(id, |host, _| host.kill_daemon());
    }
    pair.world.run_for(SECOND * 5);
    for id in [pair.mobile, pair.fixed] {
        pair.world.act(id, |host, now| host.start_daemon(now));
    }
    pair.world.run_for(SECOND);
    assert_eq!(pair.world.finish(&there, SECOND), 0);
    assert_eq!(pair.world.finish(&back, SECOND), 0);
}

#[test]
fn a_new_daemon_sends_no_update_when_the_host_did_not_move() {
    let (mut pair, _) = flowing();
    let capture = Capture::start(&mut pair.world);
    pair.world.act(pair.mobile, |host, _| host.kill_daemon());
    pair.world.run_for(SECOND);
    pair.world
        .act(pair.mobile, |host, now| host.start_daemon(now));
    pair.world.run_for(SECOND);
    assert!(capture.updates(Operation::Advertisement).len() <= 1);
}

#[test]
fn a_new_daemon_moves_the_sessions_that_it_took_over() {
    let (mut pair, session) = flowing();
    for id in [pair.mobile, pair.fixed] {
        pair.world.act(id, |host, _| host.kill_daemon());
        pair.world.act(id, |host, now| host.start_daemon(now));
    }
    pair.world.run_for(SECOND);
    pair.world.move_to(pair.mobile, pair.b);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
    pair.world.move_to(pair.fixed, pair.d);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn a_new_daemon_tells_of_a_move_while_none_ran() {
    let (mut pair, session) = flowing();
    pair.world.act(pair.mobile, |host, _| host.kill_daemon());
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND);
    pair.world
        .act(pair.mobile, |host, now| host.start_daemon(now));
    let took = pair.world.drive_until_flowing(&session, SECOND * 5);
    assert!(took.is_some());
}

#[test]
fn a_correspondent_that_moved_while_no_daemon_ran_is_found_again() {
    let (mut pair, session) = flowing();
    pair.world.act(pair.mobile, |host, _| host.kill_daemon());
    pair.world.move_to(pair.fixed, pair.d);
    pair.world.run_for(SECOND);
    pair.world
        .act(pair.mobile, |host, now| host.start_daemon(now));
    let took = pair.world.drive_until_flowing(&session, SECOND * 10);
    assert!(took.is_some());
}

#[test]
fn a_session_with_a_host_that_booted_ends_with_a_reset() {
    let (mut pair, session) = flowing();
    pair.world.act(pair.fixed, |host, now| host.reboot(now));
    let took = pair.world.drive_until(SECOND * 10, |world| {
        world.client(&session).state() == State::Failed(Failure::Reset)
    });
    assert!(took.is_some(), "{:?}", pair.world.client(&session).state());
}

#[test]
fn a_new_session_with_a_host_that_booted_begins_at_once() {
    let (mut pair, _) = flowing();
    pair.world.act(pair.fixed, |host, now| host.reboot(now));
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    let took = pair.world.drive_until_flowing(&session, SECOND * 4);
    assert!(took.is_some());
}

#[test]
fn a_host_that_booted_begins_a_new_session_at_once() {
    let (mut pair, _) = flowing();
    pair.world.act(pair.mobile, |host, now| host.reboot(now));
    pair.world.introduce(pair.mobile, pair.fixed);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    let took = pair.world.drive_until_flowing(&session, SECOND * 4);
    assert!(took.is_some());
}

#[test]
fn a_host_that_booted_and_moved_begins_a_new_session_at_once() {
    let (mut pair, _) = flowing();
    pair.world.act(pair.mobile, |host, now| host.reboot(now));
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.introduce(pair.mobile, pair.fixed);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    let took = pair.world.drive_until_served(&session, SECOND * 4);
    assert!(took.is_some());
}

#[test]
fn a_boot_changes_the_nonces() {
    let (mut pair, _) = flowing();
    let capture = Capture::start(&mut pair.world);
    pair.world.run_for(SECOND);
    let nonce = |seen: &Seen| seen.headers.nonce.as_ref().unwrap().nonce;
    let before = nonce(&capture.of(pair.world.host(pair.mobile))[0]);
    pair.world.act(pair.mobile, |host, now| host.reboot(now));
    pair.world.introduce(pair.mobile, pair.fixed);
    pair.world.run_for(SECOND);
    capture.clear();
    pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    let after = nonce(&capture.of(pair.world.host(pair.mobile))[0]);
    assert_ne!(before, after);
}

#[test]
fn a_daemon_that_starts_in_the_middle_of_a_move_has_the_last_word() {
    let (mut pair, session) = flowing();
    // The update that the daemon before sent from site b arrives after that of the new one.
    pair.world.attach(pair.mobile, pair.b);
    pair.world.move_to(pair.mobile, pair.a);
    pair.world.act(pair.mobile, |host, now| {
        host.kill_daemon();
        host.start_daemon(now);
    });
    pair.world.run_for(SECOND * 3);
    let took = pair.world.drive_until_flowing(&session, SECOND * 3);
    assert!(took.is_some());
}
