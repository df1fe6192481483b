//! Two nodes with one identifier at two places (RFC 6741 §5.4), told apart by their Nonces.

use ilnp_core::node::Config;
use ilnp_core::sim::{HostId, Pair, Session, host_nid};

use super::support::*;

/// A pair, and a third host at site `b` with the mobile host's identifier. Both are connected to
/// the correspondent.
fn twins() -> (Pair, HostId, [Session; 2]) {
    let mut pair = Pair::default();
    let twin = pair.world.add_host(Config::new(host_nid(1)));
    pair.world.attach(twin, pair.b);
    pair.world.introduce(twin, pair.fixed);
    let one = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    // The twin is met second: the correspondent's programs see it under another handle.
    let other = pair.world.connect(twin, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    (pair, twin, [one, other])
}

fn both_flow(pair: &mut Pair, sessions: &[Session; 2]) -> bool {
    let mut served = sessions
        .iter()
        .map(|session| pair.world.drive_until_served(session, SECOND));
    served.all(|took| took.is_some())
}

#[test]
fn both_have_sessions_of_their_own() {
    let (mut pair, _, sessions) = twins();
    assert!(both_flow(&mut pair, &sessions));
    let in_datapath = pair.world.host(pair.fixed).datapath().unwrap();
    assert_eq!(in_datapath.correspondents(), 2);
}

#[test]
fn both_may_move() {
    let (mut pair, twin, sessions) = twins();
    pair.world.move_to(pair.mobile, pair.d);
    pair.world.run_for(SECOND);
    assert!(both_flow(&mut pair, &sessions));
    pair.world.move_to(twin, pair.a);
    pair.world.run_for(SECOND);
    assert!(both_flow(&mut pair, &sessions));
}

#[test]
fn one_may_go_where_the_other_was() {
    let (mut pair, twin, sessions) = twins();
    pair.world.move_to(twin, pair.d);
    pair.world.run_for(SECOND);
    pair.world.move_to(pair.mobile, pair.b);
    pair.world.run_for(SECOND);
    assert!(both_flow(&mut pair, &sessions));
}
