//! A host that runs twice, from one saved state, at two sites.

use std::time::Duration;

use ilnp_core::node::{Event, Input};
use ilnp_core::sim::{HostId, Pair, site_locator};

use super::support::*;

const RELEASE: Input = Input::Release { seed: [7; 32] };

fn tell(pair: &mut Pair, host: HostId, input: Input) {
    pair.world.act(host, |host, now| host.tell(now, input));
}

/// A fenced copy of the mobile host at another site, with the sessions that the first one has.
fn copy(pair: &mut Pair) -> HostId {
    let copy = pair.world.add_copy(pair.mobile);
    tell(pair, copy, Input::Fence);
    pair.world.attach(copy, pair.b);
    copy
}

#[test]
fn two_copies_that_both_use_the_identifier_fight_over_the_session() {
    let mut pair = Pair::default();
    pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(2 * SECOND);
    let copy = copy(&mut pair);
    tell(&mut pair, copy, RELEASE);
    pair.world.run_for(3 * SECOND);
    let fixed = pair.world.host(pair.fixed);
    let changed = |event: &Event| matches!(event, Event::DestinationChanged { .. });
    let changes = count_events(fixed, changed);
    assert!(changes >= 2, "away from the first, and back: {changes}");
}

#[test]
fn a_fenced_copy_is_silent_and_the_session_stays_where_it_is() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(2 * SECOND);
    copy(&mut pair);
    let capture = Capture::start(&mut pair.world);
    pair.world.run_for(Duration::from_secs(30));
    let there = site_locator(0xb);
    let heard = capture
        .packets()
        .iter()
        .filter(|seen| seen.source() == there)
        .count();
    assert_eq!(heard, 0);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn a_session_goes_on_at_the_copy_that_it_was_handed_over_to() {
    let mut pair = Pair::default();
    let mut session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(2 * SECOND);
    let mobile = pair.mobile;
    tell(&mut pair, mobile, Input::Fence);
    let copy = copy(&mut pair);
    pair.world.run_for(SECOND);
    tell(&mut pair, copy, RELEASE);
    session.client.0 = copy;
    let gap = pair.world.drive_until_flowing(&session, 5 * SECOND);
    assert!(gap.is_some(), "the connection goes on at the copy");
    pair.world.run_for(Duration::from_secs(20));
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}
