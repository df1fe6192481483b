//! Soft handoffs (RFC 6740 §6.2): old and new Locator both work for a while, and nothing is lost.

use ilnp_core::sim::Pair;
use ilnp_core::wire::Operation;

use super::support::*;

/// The mobile host gets site `b` while `a` begins to leave, and loses `a` after `overlap`.
fn soft_move(pair: &mut Pair, overlap: std::time::Duration) {
    pair.world.plug(pair.mobile, pair.b);
    pair.world.announce(pair.mobile, &[pair.a]);
    pair.world.run_for(overlap);
    pair.world.detach(pair.mobile, pair.a);
}

#[test]
fn nothing_is_lost_when_the_overlap_is_longer_than_a_round_trip() {
    for overlap in [MS * 150, MS * 300, SECOND, SECOND * 5] {
        let mut pair = Pair::default();
        let there = pair.world.stream(pair.mobile, pair.fixed, MS);
        pair.world.run_for(SECOND);
        let back = pair.world.stream_back(&there, MS);
        pair.world.run_for(SECOND);
        soft_move(&mut pair, overlap);
        pair.world.run_for(SECOND * 2);
        assert_eq!(pair.world.finish(&there, SECOND), 0, "{overlap:?}");
        assert_eq!(pair.world.finish(&back, SECOND), 0, "{overlap:?}");
    }
}

#[test]
fn nothing_is_lost_when_the_new_locator_comes_long_before_the_old_one_leaves() {
    let mut pair = Pair::default();
    let there = pair.world.stream(pair.mobile, pair.fixed, MS);
    pair.world.run_for(SECOND);
    let back = pair.world.stream_back(&there, MS);
    pair.world.run_for(SECOND);
    pair.world.attach(pair.mobile, pair.b);
    pair.world.run_for(SECOND * 3);
    pair.world.detach(pair.mobile, pair.a);
    pair.world.run_for(SECOND * 2);
    assert_eq!(pair.world.finish(&there, SECOND), 0);
    assert_eq!(pair.world.finish(&back, SECOND), 0);
}

#[test]
fn the_first_update_names_both_and_the_second_the_new_one() {
    let mut pair = Pair::default();
    let [a, b, ..] = locators(&mut pair);
    pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    let capture = Capture::start(&mut pair.world);
    soft_move(&mut pair, SECOND);
    pair.world.run_for(SECOND);
    let updates: Vec<_> = capture
        .updates(Operation::Advertisement)
        .iter()
        .map(|seen| seen.update().unwrap())
        .collect();
    assert_eq!(updates.len(), 2);
    assert_eq!(listed(&updates[0]), [b, a], "the new one is preferred");
    let records = updates[0].records();
    assert!(records[0].preference < records[1].preference);
    assert_eq!(listed(&updates[1]), [b]);
}

#[test]
fn the_leaving_locator_is_not_sent_from() {
    let mut pair = Pair::default();
    let [_, b, ..] = locators(&mut pair);
    pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    pair.world.plug(pair.mobile, pair.b);
    pair.world.announce(pair.mobile, &[pair.a]);
    // What was on its way to the core before that arrives there.
    pair.world.run_for(MS * 15);
    let capture = Capture::start(&mut pair.world);
    pair.world.run_for(SECOND);
    let mobile = pair.world.host(pair.mobile);
    assert!(capture.of(mobile).iter().all(|seen| seen.source() == b));
}

#[test]
fn the_leaving_locator_is_sent_from_when_it_is_the_only_one() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    pair.world.announce(pair.mobile, &[pair.a]);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn packets_to_the_leaving_locator_are_received() {
    let mut pair = Pair::default();
    // The correspondent hears of nothing.
    drop_first(&mut pair.world, usize::MAX, is_advertisement);
    let there = pair.world.stream(pair.fixed, pair.mobile, MS);
    pair.world.introduce(pair.fixed, pair.mobile);
    pair.world.run_for(SECOND);
    pair.world.plug(pair.mobile, pair.b);
    pair.world.announce(pair.mobile, &[pair.a]);
    pair.world.run_for(SECOND);
    let missing = pair.world.finish(&there, SECOND);
    assert_eq!(missing, 0);
}
