//! Locator Updates and acknowledgements that get lost (RFC 6740 §6.2; timers as RFC 6743 leaves
//! them to us).

use std::time::Duration;

use ilnp_core::node::Event;
use ilnp_core::sim::link::{Conditions, Fate, Link};
use ilnp_core::sim::{Pair, Settings, Verdict, World};
use ilnp_core::wire::Operation;

use super::support::*;

/// Loses this share of all Locator Updates, acknowledgements among them.
fn lose_updates(world: &mut World, loss: f64, seed: u64) {
    let conditions = Conditions {
        loss,
        ..Conditions::default()
    };
    let mut chance = Link::new(conditions, seed);
    world.filter(move |now, octets| {
        if update(octets).is_some() && chance.send(now, octets.clone()) == Fate::Lost {
            return Verdict::Drop;
        }
        Verdict::Pass
    });
}

#[test]
fn every_session_survives_thirty_moves_with_a_third_of_the_updates_lost() {
    for seed in 0..5 {
        let mut pair = Pair::new(Settings {
            seed,
            ..Settings::default()
        });
        let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
        pair.world.run_for(SECOND);
        lose_updates(&mut pair.world, 0.3, seed);
        for round in 0..30 {
            let site = if round % 2 == 0 { pair.b } else { pair.a };
            pair.world.move_to(pair.mobile, site);
            let took = pair.world.drive_until_flowing(&session, SECOND * 5);
            assert!(took.is_some(), "seed {seed}, move {round}");
        }
    }
}

#[test]
fn an_update_is_repeated_after_growing_times_until_it_is_acknowledged() {
    let mut pair = Pair::default();
    pair.world.connect(pair.mobile, pair.fixed, SECOND);
    pair.world.run_for(SECOND);
    let capture = Capture::start(&mut pair.world);
    drop_first(&mut pair.world, 4, is_advertisement);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND * 60);
    let sent = capture.updates(Operation::Advertisement);
    let gaps: Vec<Duration> = sent.windows(2).map(|two| two[1].at - two[0].at).collect();
    assert_eq!(gaps, [MS * 200, MS * 400, MS * 800, MS * 1600]);
    assert_eq!(capture.updates(Operation::Acknowledgement).len(), 1);
    let mobile = pair.world.host(pair.mobile);
    let acknowledged = count_events(mobile, |event| {
        matches!(event, Event::UpdateAcknowledged { .. })
    });
    assert_eq!(acknowledged, 1);
}

#[test]
fn a_long_round_trip_delays_the_first_repetition() {
    let mut pair = Pair::new(Settings {
        round_trip: MS * 400,
        ..Settings::default()
    });
    pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND * 5);
    let capture = Capture::start(&mut pair.world);
    // The first move teaches the round trip, the second one uses it.
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND * 5);
    capture.clear();
    pair.world.move_to(pair.mobile, pair.a);
    pair.world.run_for(SECOND * 5);
    assert_eq!(capture.updates(Operation::Advertisement).len(), 1);
}

#[test]
fn repetitions_without_an_answer_are_bounded() {
    let mut pair = Pair::default();
    pair.world.connect(pair.mobile, pair.fixed, SECOND);
    pair.world.run_for(SECOND);
    let capture = Capture::start(&mut pair.world);
    drop_first(&mut pair.world, usize::MAX, is_advertisement);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND * 600);
    let sent = capture.updates(Operation::Advertisement);
    assert!((7..30).contains(&sent.len()), "{}", sent.len());
    let longest = sent.windows(2).map(|two| two[1].at - two[0].at).max();
    assert_eq!(longest, Some(SECOND * 32));
}

#[test]
fn a_lost_acknowledgement_makes_the_update_come_again_and_changes_nothing() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    let capture = Capture::start(&mut pair.world);
    drop_first(&mut pair.world, 1, is_acknowledgement);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND * 5);
    assert_eq!(capture.updates(Operation::Advertisement).len(), 2);
    assert_eq!(capture.updates(Operation::Acknowledgement).len(), 2);
    let changes = count_events(pair.world.host(pair.fixed), |event| {
        matches!(event, Event::DestinationChanged { .. })
    });
    assert_eq!(changes, 1);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn data_with_the_nonce_carries_a_session_over_when_every_update_is_lost() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    drop_first(&mut pair.world, usize::MAX, is_advertisement);
    for site in [pair.b, pair.a, pair.b] {
        pair.world.move_to(pair.mobile, site);
        let took = pair.world.drive_until_flowing(&session, SECOND * 10);
        assert!(took.is_some());
        pair.world.run_for(SECOND * 3);
    }
}

#[test]
fn a_silent_receiver_is_found_again_by_the_repetition() {
    let mut pair = Pair::default();
    pair.world.introduce(pair.fixed, pair.mobile);
    let there = pair.world.stream(pair.fixed, pair.mobile, MS);
    pair.world.run_for(SECOND);
    drop_first(&mut pair.world, 1, is_advertisement);
    pair.world.restart_pause(&there);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND * 3);
    // The repetition after 200 ms, and a round trip.
    let pause = pair.world.stream_pause(&there);
    assert!(pause <= MS * 252, "{pause:?}");
}
