//! Sessions that nobody uses, and correspondents that do not answer.

use super::support::*;
use crate::id::Handle;
use crate::node::{Activity, DatapathUpdate, Event};

const CORRESPONDENT: Handle = Handle::new(FIXED);

/// Lets time pass, with a data path that saw these packets.
fn run(host: &mut Host, millis_each: u64, times: usize, saw: impl Fn(&Host) -> Activity) {
    for _ in 0..times {
        host.wait(millis(millis_each));
        for update in host.updates() {
            if let DatapathUpdate::ReadActivity(handle) = update {
                let activity = Some(saw(host));
                host.node.handle_activity(host.now, handle, activity);
            }
        }
    }
}

fn quiet_since(host: &Host) -> impl Fn(&Host) -> Activity + use<> {
    let then = host.now;
    move |_| Activity {
        sent: then,
        heard: then,
    }
}

#[test]
fn an_idle_session_sends_nothing_and_ages() {
    let (mut mobile, _) = established();
    let quiet = quiet_since(&mobile);
    run(&mut mobile, 10_000, 62, &quiet);
    assert_eq!(mobile.state(FIXED), Some("aged"));
    assert!(mobile.transmitted().is_empty());
}

#[test]
fn an_aged_session_goes_on_and_is_told_of_moves() {
    let (mut mobile, mut fixed) = established();
    let quiet = quiet_since(&mobile);
    run(&mut mobile, 10_000, 62, &quiet);
    mobile.at(&[B]);
    exchange(&mut mobile, &mut fixed);
    assert_eq!(fixed.destination(MOBILE), Some(B));
    assert_eq!(mobile.state(FIXED), Some("established"));
}

#[test]
fn an_aged_correspondent_that_does_not_answer_is_not_told_for_ever() {
    let (mut mobile, _) = established();
    let quiet = quiet_since(&mobile);
    run(&mut mobile, 10_000, 62, &quiet);
    mobile.at(&[B]);
    run(&mut mobile, 10_000, 60, &quiet);
    assert_eq!(mobile.transmitted().len(), 8);
}

#[test]
fn a_session_is_forgotten_after_a_day_and_a_given_correspondent_stays_known() {
    let (mut mobile, mut fixed) = established();
    for host in [&mut mobile, &mut fixed] {
        let quiet = quiet_since(host);
        run(host, 300_000, 290, &quiet);
    }
    assert_eq!(mobile.state(FIXED), Some("aged"));
    assert_eq!(fixed.state(MOBILE), None);
    mobile.flush();
    connect(&mut mobile, &mut fixed);
}

#[test]
fn traffic_in_the_data_path_keeps_a_session_established() {
    let (mut mobile, _) = established();
    run(&mut mobile, 10_000, 100, |host| Activity {
        sent: host.now,
        heard: host.now,
    });
    assert_eq!(mobile.state(FIXED), Some("established"));
    assert!(mobile.transmitted().is_empty());
}

#[test]
fn another_locator_is_tried_when_the_present_one_is_silent() {
    let (mut mobile, mut fixed) = established();
    fixed.at(&[B, C]);
    exchange(&mut mobile, &mut fixed);
    mobile.flush();
    let before = mobile.destination(FIXED).unwrap();
    let heard = mobile.now;
    run(&mut mobile, 1000, 12, |host| Activity {
        sent: host.now,
        heard,
    });
    let after = mobile.destination(FIXED).unwrap();
    assert_ne!(before, after);
    let asked: Vec<_> = mobile
        .transmitted()
        .iter()
        .map(|p| destination(p).locator)
        .collect();
    assert!(
        asked.contains(&before) && asked.contains(&after),
        "{asked:?}"
    );
    let changed = Event::DestinationChanged {
        handle: CORRESPONDENT,
        locator: after,
    };
    assert!(mobile.events().contains(&changed));
}

#[test]
fn one_way_traffic_to_an_answering_correspondent_stays_where_it_is() {
    let (mut mobile, mut fixed) = established();
    fixed.at(&[B, C]);
    exchange(&mut mobile, &mut fixed);
    mobile.flush();
    let before = mobile.destination(FIXED);
    for _ in 0..30 {
        let id = mobile.node.table.find(CORRESPONDENT).unwrap();
        let heard = mobile.node.table.get(id).unwrap().activity.heard;
        run(&mut mobile, 1000, 1, |host| Activity {
            sent: host.now,
            heard,
        });
        exchange(&mut mobile, &mut fixed);
        fixed.now = mobile.now;
    }
    assert_eq!(mobile.destination(FIXED), before);
}

#[test]
fn a_dead_correspondent_is_given_up_and_met_again() {
    let (mut mobile, mut fixed) = established();
    let heard = mobile.now;
    run(&mut mobile, 10_000, 130, |host| Activity {
        sent: host.now,
        heard,
    });
    assert_eq!(mobile.state(FIXED), Some("aged"));
    mobile.flush();
    connect(&mut mobile, &mut fixed);
}

#[test]
fn a_ping_tells_which_locators_were_used() {
    let (mut mobile, mut fixed) = established();
    mobile.node.handle_ping(mobile.now, CORRESPONDENT, 7, 1);
    // The data path leaves what comes in to the node meanwhile.
    let updates = mobile.updates();
    assert!(
        matches!(&updates[..], [DatapathUpdate::Correspondent { entry: Some(entry), .. }]
        if entry.locators.is_empty())
    );
    exchange(&mut mobile, &mut fixed);
    let reply = Event::PingReply {
        handle: CORRESPONDENT,
        identifier: 7,
        sequence: 1,
        remote: C,
        local: A,
    };
    assert!(mobile.events().contains(&reply));
    assert!(mobile.delivered().is_empty());
    let updates = mobile.updates();
    assert!(
        matches!(&updates[..], [DatapathUpdate::Correspondent { entry: Some(entry), .. }]
        if entry.locators.len() == 1)
    );
}

#[test]
fn a_ping_begins_a_session_and_one_that_is_not_answered_is_given_up() {
    let (mut mobile, mut fixed) = strangers();
    mobile.node.handle_ping(mobile.now, CORRESPONDENT, 7, 1);
    exchange(&mut mobile, &mut fixed);
    assert_eq!(mobile.state(FIXED), Some("established"));
    mobile.flush();
    mobile.node.handle_ping(mobile.now, CORRESPONDENT, 7, 2);
    mobile.updates();
    mobile.wait(secs(6));
    let updates = mobile.updates();
    let restored = |update: &DatapathUpdate| {
        matches!(update, DatapathUpdate::Correspondent { entry: Some(entry), .. }
            if entry.locators.len() == 1)
    };
    assert!(updates.iter().any(restored), "{updates:?}");
}
