//! Both ends move hard at once: each sends to where the other is no more (RFC 6740 §6.2).

use std::time::{Duration, Instant};

use anyhow::ensure;
use tests::scene::{MOBILE, PEER};
use tests::session::Conversation;

use crate::stage::{BOUND, PEER_NAME, await_published, filter, start, unfilter};

/// A session that nothing but DNS can save: no Locator Update arrives until both ends are elsewhere.
#[test]
fn both_ends_find_each_other_by_name() -> anyhow::Result<()> {
    let mut scene = start("names-both-move")?;
    await_published(&mut scene, PEER, &["c"])?;
    let handle = scene.lab().look_up(MOBILE, PEER_NAME)?;
    let mut session = Conversation::open(scene.host(MOBILE)?, scene.host(PEER)?, handle)?;
    session.exchange(BOUND)?;

    // The two moves take a moment each: until both are done the sites hear nothing of each other.
    filter(&scene, "b", "ip6 daddr 2001:db8:c::/64")?;
    filter(&scene, "d", "ip6 daddr 2001:db8:a::/64")?;
    let begin = Instant::now();
    scene.move_hard(MOBILE, "b")?;
    scene.move_hard(PEER, "d")?;
    unfilter(&scene, "b")?;
    unfilter(&scene, "d")?;
    session.exchange(BOUND)?;
    let took = begin.elapsed();
    ensure!(
        took < Duration::from_secs(5),
        "the session was back after {took:?}"
    );
    println!("both ends moved at once; the session was back after {took:?}");
    Ok(())
}
