//! Locator Updates that arrive late, twice, or again (there is no sequence number in them).

use ilnp_core::drop_reason::DropReason;
use ilnp_core::node::Event;
use ilnp_core::sim::{Pair, Session, Settings, Verdict};
use ilnp_core::wire::Operation;

use super::support::*;

fn flowing(settings: Settings) -> (Pair, Session) {
    let mut pair = Pair::new(settings);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND * 2);
    (pair, session)
}

#[test]
fn an_update_that_is_overtaken_by_the_next_does_not_win() {
    for late in [60, 150, 300, 700, 1500, 4000] {
        let (mut pair, session) = flowing(Settings::default());
        let [_, b, ..] = locators(&mut pair);
        let mut first = true;
        pair.world.filter(move |_, octets| {
            let to_b = update(octets).is_some_and(|update| listed(&update) == [b]);
            if to_b && is_advertisement(octets) && std::mem::take(&mut first) {
                return Verdict::Delay(MS * late);
            }
            Verdict::Pass
        });
        pair.world.move_to(pair.mobile, pair.b);
        pair.world.run_for(MS * 30);
        pair.world.move_to(pair.mobile, pair.a);
        pair.world.run_for(SECOND * 8);
        let took = pair.world.drive_until_flowing(&session, SECOND);
        assert!(took.is_some(), "late by {late} ms");
    }
}

#[test]
fn reordered_and_duplicated_packets_do_no_harm() {
    for seed in 0..5 {
        let mut settings = Settings {
            seed,
            ..Settings::default()
        };
        settings.conditions.jitter = MS * 10;
        settings.conditions.duplication = 0.2;
        settings.conditions.reordering = 0.2;
        settings.conditions.reordering_delay = MS * 40;
        let (mut pair, session) = flowing(settings);
        for round in 0..10 {
            let site = if round % 2 == 0 { pair.b } else { pair.a };
            pair.world.move_to(pair.mobile, site);
            let took = pair.world.drive_until_flowing(&session, SECOND * 5);
            assert!(took.is_some(), "seed {seed}, move {round}");
        }
    }
}

#[test]
fn an_update_that_comes_three_times_is_acknowledged_three_times_and_applied_once() {
    let (mut pair, _) = flowing(Settings::default());
    let capture = Capture::start(&mut pair.world);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND);
    let sent = capture.updates(Operation::Advertisement)[0].clone();
    for _ in 0..2 {
        pair.world.inject(sent.octets.clone());
        pair.world.run_for(MS * 300);
    }
    assert_eq!(capture.updates(Operation::Acknowledgement).len(), 3);
    let fixed = pair.world.host(pair.fixed);
    let changes = count_events(fixed, |event| {
        matches!(event, Event::DestinationChanged { .. })
    });
    assert_eq!(changes, 1);
}

#[test]
fn the_replay_of_an_old_update_is_put_right_by_the_traffic() {
    let (mut pair, session) = flowing(Settings::default());
    let capture = Capture::start(&mut pair.world);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND * 2);
    let to_b = capture.updates(Operation::Advertisement)[0].clone();
    pair.world.move_to(pair.mobile, pair.a);
    pair.world.run_for(SECOND * 2);
    pair.world.inject(to_b.octets);
    pair.world.run_for(MS * 100);
    let took = pair.world.drive_until_flowing(&session, SECOND * 5);
    assert!(took.is_some());
}

#[test]
fn an_acknowledgement_that_nobody_asked_for_changes_nothing() {
    let (mut pair, session) = flowing(Settings::default());
    let capture = Capture::start(&mut pair.world);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND * 2);
    let acknowledgement = capture.updates(Operation::Acknowledgement)[0].clone();
    capture.clear();
    pair.world.inject(acknowledgement.octets);
    pair.world.run_for(SECOND);
    assert_eq!(capture.updates(Operation::Acknowledgement).len(), 0);
    assert_eq!(capture.updates(Operation::Advertisement).len(), 0);
    let mobile = pair.world.host(pair.mobile);
    assert_eq!(dropped(mobile, DropReason::UpdateUnasked), 1);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn an_acknowledgement_of_an_older_update_does_not_settle_a_newer_one() {
    let (mut pair, session) = flowing(Settings::default());
    let [_, b, ..] = locators(&mut pair);
    // The correspondent's answer to the first update is slow; the second update is lost at first.
    let mut losses = 1;
    pair.world.filter(move |_, octets| match update(octets) {
        Some(update) if update.operation() == Operation::Acknowledgement => {
            Verdict::Delay(MS * 120)
        }
        Some(update) if listed(&update) != [b] && losses > 0 => {
            losses -= 1;
            Verdict::Drop
        }
        _ => Verdict::Pass,
    });
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(MS * 60);
    pair.world.attach(pair.mobile, pair.a);
    pair.world.run_for(SECOND * 5);
    let capture = Capture::start(&mut pair.world);
    // The second update got through in the end: the correspondent uses the newer Locator.
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
    let [a, ..] = locators(&mut pair);
    let fixed = capture.of(pair.world.host(pair.fixed));
    assert!(fixed.iter().all(|seen| seen.destination() == a));
}

#[test]
fn changes_that_follow_each_other_at_once_share_an_update() {
    let (mut pair, _) = flowing(Settings::default());
    let capture = Capture::start(&mut pair.world);
    for round in 0..100 {
        let site = if round % 2 == 0 { pair.b } else { pair.a };
        pair.world.move_to(pair.mobile, site);
        pair.world.run_for(MS * 10);
    }
    pair.world.run_for(SECOND * 3);
    let sent = capture.updates(Operation::Advertisement);
    assert!(sent.len() <= 60, "{} in a second", sent.len());
    let [a, ..] = locators(&mut pair);
    assert_eq!(listed(&sent.last().unwrap().update().unwrap()), [a]);
}

#[test]
fn a_mover_that_only_listens_is_found_again_after_an_update_overtook_another() {
    let mut pair = Pair::default();
    pair.world.introduce(pair.fixed, pair.mobile);
    let there = pair.world.stream(pair.fixed, pair.mobile, MS);
    pair.world.run_for(SECOND * 2);
    let [_, b, ..] = locators(&mut pair);
    // The way from site b is slow, and its acknowledgement finds nobody there.
    pair.world.filter(move |_, octets| match update(octets) {
        Some(update) if listed(&update) == [b] && is_advertisement(octets) => {
            Verdict::Delay(MS * 300)
        }
        _ => Verdict::Pass,
    });
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(MS * 30);
    pair.world.move_to(pair.mobile, pair.a);
    pair.world.run_for(SECOND * 2);
    pair.world.restart_pause(&there);
    pair.world.run_for(SECOND);
    assert!(pair.world.stream_pause(&there) <= MS * 2);
}
