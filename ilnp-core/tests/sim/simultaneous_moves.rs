//! Both ends move at once (RFC 6740 §6.2).

use ilnp_core::sim::{Pair, Session};

use super::support::*;

fn flowing() -> (Pair, Session) {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    (pair, session)
}

#[test]
fn moves_more_than_half_a_round_trip_apart_need_no_help() {
    for apart in [26, 30, 40, 50, 60, 100, 200, 400] {
        let (mut pair, session) = flowing();
        pair.world.move_to(pair.mobile, pair.b);
        pair.world.run_for(MS * apart);
        pair.world.move_to(pair.fixed, pair.d);
        let took = pair.world.drive_until_flowing(&session, SECOND * 3);
        assert!(took.is_some(), "{apart} ms apart");
    }
}

#[test]
fn both_at_once_recover_when_one_keeps_its_old_locator_for_a_while() {
    let (mut pair, session) = flowing();
    pair.world.plug(pair.mobile, pair.b);
    pair.world.announce(pair.mobile, &[pair.a]);
    pair.world.move_to(pair.fixed, pair.d);
    let took = pair.world.drive_until_flowing(&session, SECOND * 3);
    assert!(took.is_some());
    pair.world.detach(pair.mobile, pair.a);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn both_at_once_recover_when_both_keep_their_old_locators_for_a_while() {
    let (mut pair, session) = flowing();
    for (host, new, old) in [(pair.mobile, pair.b, pair.a), (pair.fixed, pair.d, pair.c)] {
        pair.world.plug(host, new);
        pair.world.announce(host, &[old]);
    }
    pair.world.run_for(MS * 500);
    pair.world.detach(pair.mobile, pair.a);
    pair.world.detach(pair.fixed, pair.c);
    let took = pair.world.drive_until_flowing(&session, SECOND * 3);
    assert!(took.is_some());
}

#[test]
fn both_at_once_recover_when_one_comes_back() {
    let (mut pair, session) = flowing();
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.move_to(pair.fixed, pair.d);
    pair.world.run_for(SECOND * 2);
    pair.world.move_to(pair.mobile, pair.a);
    // The kernels' retransmission timers doubled meanwhile.
    let took = pair.world.drive_until_flowing(&session, SECOND * 10);
    assert!(took.is_some());
}

#[test]
fn both_at_once_recover_when_one_looks_the_other_up_again() {
    let (mut pair, session) = flowing();
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.move_to(pair.fixed, pair.d);
    pair.world.run_for(SECOND * 2);
    pair.world.introduce(pair.mobile, pair.fixed);
    let took = pair.world.drive_until_flowing(&session, SECOND * 10);
    assert!(took.is_some());
}

#[test]
fn the_session_is_kept_while_neither_finds_the_other() {
    let (mut pair, session) = flowing();
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.move_to(pair.fixed, pair.d);
    pair.world.run_for(SECOND * 60);
    pair.world.move_to(pair.fixed, pair.c);
    let took = pair.world.drive_until_flowing(&session, SECOND * 120);
    assert!(took.is_some());
}
