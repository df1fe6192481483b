//! A host that comes back to a Locator that it had before.

use ilnp_core::sim::Pair;

use super::support::*;

fn flowing() -> (Pair, ilnp_core::sim::Session) {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    (pair, session)
}

#[test]
fn a_session_survives_the_way_back() {
    let (mut pair, session) = flowing();
    for site in [pair.b, pair.a, pair.b] {
        pair.world.move_to(pair.mobile, site);
        assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
        pair.world.run_for(SECOND * 3);
    }
}

#[test]
fn a_session_survives_the_way_back_before_the_first_update_is_acknowledged() {
    for after in [1, 10, 24, 26, 49, 51, 100, 199, 201] {
        let (mut pair, session) = flowing();
        pair.world.move_to(pair.mobile, pair.b);
        pair.world.run_for(MS * after);
        pair.world.move_to(pair.mobile, pair.a);
        let took = pair.world.drive_until_flowing(&session, SECOND * 2);
        assert!(took.is_some(), "back after {after} ms");
    }
}

#[test]
fn a_session_survives_the_way_back_when_the_updates_of_the_way_out_are_lost() {
    let (mut pair, session) = flowing();
    let [_, b, ..] = locators(&mut pair);
    drop_first(&mut pair.world, usize::MAX, move |octets| {
        update(octets).is_some_and(|update| listed(&update) == [b])
    });
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND);
    pair.world.move_to(pair.mobile, pair.a);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn packets_from_a_locator_that_was_left_do_not_turn_the_correspondent_back() {
    let (mut pair, session) = flowing();
    let [a, ..] = locators(&mut pair);
    // What left site a before the move arrives long after the update.
    let moved = pair.world.now() + MS * 100;
    pair.world.filter(move |now, octets| {
        let source =
            ilnp_core::wire::Headers::parse(octets).map(|headers| headers.source_vector().locator);
        if source == Ok(a) && now <= moved {
            return ilnp_core::sim::Verdict::Delay(MS * 400);
        }
        ilnp_core::sim::Verdict::Pass
    });
    pair.world.run_until(moved);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND);
    let took = pair.world.drive_until_flowing(&session, SECOND);
    assert!(took.is_some());
    assert_eq!(pair.world.host(pair.mobile).lost(), 0);
}

#[test]
fn a_soft_handoff_back_loses_nothing() {
    let mut pair = Pair::default();
    let there = pair.world.stream(pair.mobile, pair.fixed, MS);
    pair.world.run_for(SECOND);
    let back = pair.world.stream_back(&there, MS);
    pair.world.run_for(SECOND);
    for (new, old) in [(pair.b, pair.a), (pair.a, pair.b), (pair.b, pair.a)] {
        pair.world.plug(pair.mobile, new);
        pair.world.announce(pair.mobile, &[old]);
        pair.world.run_for(SECOND);
        pair.world.detach(pair.mobile, old);
        pair.world.run_for(SECOND);
    }
    assert_eq!(pair.world.finish(&there, SECOND), 0);
    assert_eq!(pair.world.finish(&back, SECOND), 0);
}
