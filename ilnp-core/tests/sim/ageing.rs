//! Lifetimes and idle sessions (RFC 6741 §5.2).

use ilnp_core::id::{Lifetime, Preference};
use ilnp_core::node::{Event, Input, RemoteLocator, Resolved};
use ilnp_core::sim::{Pair, Session, Settings, host_nid};

use super::support::*;

/// Stops or starts both ends of a session.
fn set_writing(pair: &mut Pair, session: &Session, writing: bool) {
    for (id, sockets) in [session.client, session.server] {
        pair.world.act(id, |host, now| {
            let connection = host.stack.connection_mut(&sockets).unwrap();
            connection.set_writing(now, writing);
        });
    }
}

fn idle() -> (Pair, Session) {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, MS * 500);
    pair.world.run_for(SECOND * 2);
    set_writing(&mut pair, &session, false);
    (pair, session)
}

#[test]
fn a_session_outlives_the_lifetime_of_the_locators_that_dns_gave() {
    let mut pair = Pair::default();
    let [_, _, c, _] = locators(&mut pair);
    let brief = Resolved {
        configured: false,
        name: None,
        nid: host_nid(2),
        locators: vec![RemoteLocator {
            locator: c,
            preference: Preference(10),
            lifetime: Lifetime(1),
        }],
    };
    pair.world.act(pair.mobile, |host, now| {
        host.tell(now, Input::Resolved(brief))
    });
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    set_writing(&mut pair, &session, false);
    pair.world.run_for(SECOND * 10);
    set_writing(&mut pair, &session, true);
    assert!(
        pair.world
            .drive_until_flowing(&session, SECOND * 2)
            .is_some()
    );
}

#[test]
fn an_idle_session_goes_on_after_an_hour() {
    let (mut pair, session) = idle();
    pair.world.run_for(SECOND * 3600);
    set_writing(&mut pair, &session, true);
    assert!(
        pair.world
            .drive_until_flowing(&session, SECOND * 2)
            .is_some()
    );
}

#[test]
fn an_idle_session_is_aged_and_then_established_again() {
    let (mut pair, session) = idle();
    pair.world.run_for(SECOND * 3600);
    let states = |pair: &Pair| -> Vec<&'static str> {
        let events = pair.world.host(pair.mobile).events();
        let states = events.iter().filter_map(|(_, event)| match event {
            Event::CorrespondentState { state, .. } => Some(*state),
            _ => None,
        });
        states.collect()
    };
    assert_eq!(states(&pair).last(), Some(&"aged"));
    set_writing(&mut pair, &session, true);
    pair.world.run_for(SECOND * 600);
    assert_eq!(states(&pair).last(), Some(&"established"));
}

#[test]
fn an_idle_session_is_moved_too() {
    let (mut pair, session) = idle();
    pair.world.run_for(SECOND * 3600);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND);
    set_writing(&mut pair, &session, true);
    assert!(
        pair.world
            .drive_until_flowing(&session, SECOND * 2)
            .is_some()
    );
}

#[test]
fn a_busy_session_is_never_aged() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, SECOND);
    pair.world.run_for(SECOND * 3600);
    let aged = count_events(pair.world.host(pair.fixed), |event| {
        matches!(event, Event::CorrespondentState { state: "aged", .. })
    });
    assert_eq!(aged, 0);
    assert!(
        pair.world
            .drive_until_flowing(&session, SECOND * 3)
            .is_some()
    );
}

#[test]
fn a_session_that_nobody_uses_for_long_is_forgotten_with_its_entry_in_the_data_path() {
    let mut settings = Settings::default();
    settings.fixed.timers.forgotten = SECOND * 3600;
    let mut pair = Pair::new(settings);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    set_writing(&mut pair, &session, false);
    pair.world.run_for(SECOND * 2 * 3600);
    let fixed = pair.world.host(pair.fixed);
    assert_eq!(fixed.datapath().unwrap().correspondents(), 0);
    assert_eq!(
        fixed.node().unwrap().correspondents(pair.world.now()).len(),
        0
    );
}
