//! Both ends move hard at once: each sends to where the other is no more (RFC 6740 §6.2).

use std::time::{Duration, Instant};

use anyhow::ensure;
use tests::scene::{MOBILE, PEER, Scene};
use tests::session::Conversation;

use crate::stage::{
    BOUND, PEER_NAME, await_published, await_that, filter, start, state_file, unfilter,
};

/// A session that nothing but DNS can save: no Locator Update arrives until both ends are elsewhere.
#[test]
fn both_ends_find_each_other_by_name() -> anyhow::Result<()> {
    let mut scene = start("names-both-move")?;
    await_published(&mut scene, PEER, &["c"])?;
    let handle = scene.lab().look_up(MOBILE, PEER_NAME)?;
    let mut session = Conversation::open(scene.host(MOBILE)?, scene.host(PEER)?, handle)?;
    session.exchange(BOUND)?;

    let begin = Instant::now();
    both_move(&mut scene)?;
    session.exchange(BOUND)?;
    let took = begin.elapsed();
    ensure!(
        took < Duration::from_secs(5),
        "the session was back after {took:?}"
    );
    println!("both ends moved at once; the session was back after {took:?}");
    Ok(())
}

/// The same when the daemon was killed and started again: the name is not forgotten.
#[test]
fn a_new_daemon_remembers_the_names_of_its_sessions() -> anyhow::Result<()> {
    let mut scene = start("names-restart")?;
    await_published(&mut scene, PEER, &["c"])?;
    let handle = scene.lab().look_up(MOBILE, PEER_NAME)?;
    let mut session = Conversation::open(scene.host(MOBILE)?, scene.host(PEER)?, handle)?;
    session.exchange(BOUND)?;
    let file = state_file(&mut scene, MOBILE, "session-names.json");
    await_that(BOUND, "the name is kept", || {
        Ok(std::fs::read_to_string(&file).is_ok_and(|text| text.contains(PEER_NAME)))
    })?;
    let (daemon, host) = scene.lab().daemon(MOBILE)?;
    daemon.kill();
    daemon.start(host)?;
    daemon.wait_until_ready(host)?;
    let known = scene.correspondents(MOBILE)?;
    ensure!(known[0]["names"][0] == PEER_NAME, "{known:?}");
    both_move(&mut scene)?;
    session.exchange(BOUND)?;
    Ok(())
}

/// Moves both, with nothing that one tells the other arriving before both are elsewhere.
fn both_move(scene: &mut Scene) -> anyhow::Result<()> {
    // The two moves take a moment each.
    filter(scene, "b", "ip6 daddr 2001:db8:c::/64")?;
    filter(scene, "d", "ip6 daddr 2001:db8:a::/64")?;
    scene.move_hard(MOBILE, "b")?;
    scene.move_hard(PEER, "d")?;
    unfilter(scene, "b")?;
    unfilter(scene, "d")
}
