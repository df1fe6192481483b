//! Moves between sites, with sessions that go on.

use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use ilnp_core::id::Locator;

use tests::scene::{self, MOBILE, PEER, Scene};
use tests::session::{Conversation, Numbered};

/// What a move may cost on a busy machine; what it does cost is measured by `ilnp-bench`.
const BOUND: Duration = Duration::from_secs(5);
const OVERLAP: Duration = Duration::from_millis(1500);

#[test]
fn tcp_goes_on_after_a_hard_handoff() -> anyhow::Result<()> {
    let mut scene = Scene::start("hard-handoff")?;
    let mut talk = scene.talk()?;
    talk.exchange(BOUND)?;
    scene.move_hard(MOBILE, "b")?;
    talk.exchange(BOUND)?;
    scene.await_correspondent_at(PEER, "b", BOUND)?;
    Ok(())
}

/// The way back leads to a Locator that was used before.
#[test]
fn host_goes_there_and_back_twice() -> anyhow::Result<()> {
    let mut scene = Scene::start("there-and-back")?;
    let mut talk = scene.talk()?;
    for site in ["b", "a", "b", "a"] {
        talk.exchange(BOUND)?;
        scene.move_hard(MOBILE, site)?;
        talk.exchange(BOUND)?;
        scene.await_correspondent_at(PEER, site, BOUND)?;
    }
    Ok(())
}

#[test]
fn soft_handoff_loses_nothing_either_way() -> anyhow::Result<()> {
    const COUNT: u32 = 4000;
    let mut scene = Scene::start("soft-handoff")?;
    let out = scene.numbered(MOBILE, PEER)?;
    let back = scene.numbered(PEER, MOBILE)?;
    let run = |stream: &Numbered| stream.run(COUNT, Duration::from_millis(1), BOUND);
    let (out, back) = thread::scope(|scope| {
        let (out, back) = (scope.spawn(|| run(&out)), scope.spawn(|| run(&back)));
        thread::sleep(Duration::from_millis(500));
        scene.move_soft(MOBILE, "b", OVERLAP)?;
        anyhow::Ok((joined(out)?, joined(back)?))
    })?;
    for received in [out, back] {
        let missing: Vec<u32> = (0..COUNT).filter(|n| !received.contains(n)).collect();
        assert!(missing.is_empty(), "lost {missing:?}");
    }
    scene.await_correspondent_at(PEER, "b", BOUND)?;
    Ok(())
}

/// Each is told of the other's old Locator only; the first to be reached at a Locator that is
/// still valid mends both.
#[test]
fn both_ends_move_one_after_the_other() -> anyhow::Result<()> {
    let mut scene = Scene::start("both-move")?;
    let mut talk = scene.talk()?;
    talk.exchange(BOUND)?;
    scene.move_soft(MOBILE, "b", OVERLAP)?;
    scene.move_soft(PEER, "d", OVERLAP)?;
    talk.exchange(BOUND)?;
    scene.await_correspondent_at(PEER, "b", BOUND)?;
    scene.await_correspondent_at(MOBILE, "d", BOUND)?;
    Ok(())
}

/// Three correspondents, one of them in the site that is left, another in the one that is entered.
#[test]
fn every_correspondent_is_told_of_a_move() -> anyhow::Result<()> {
    const OTHERS: [&str; 2] = ["e", "f"];
    let mut scene = Scene::start_with("three-correspondents", |scenario| {
        scenario.hosts.push(scene::host("e", "a"));
        scenario.hosts.push(scene::host("f", "b"));
    })?;
    let peers = [PEER, OTHERS[0], OTHERS[1]];
    let mut talks = vec![];
    for peer in peers {
        let (from, to) = (scene.host(MOBILE)?, scene.host(peer)?);
        let mut talk = Conversation::open(from, to, scene.handle(peer)?)?;
        talk.exchange(BOUND)?;
        talks.push(talk);
    }
    scene.move_hard(MOBILE, "b")?;
    for (talk, peer) in talks.iter_mut().zip(peers) {
        talk.exchange(BOUND)
            .with_context(|| format!("with {peer}"))?;
        scene.await_correspondent_at(peer, "b", BOUND)?;
    }
    Ok(())
}

/// All Locators of a site are announced, and each of them is a way to the host.
#[test]
fn every_locator_of_a_site_is_announced() -> anyhow::Result<()> {
    let mut scene = Scene::start_with("eight-locators", |scenario| {
        let prefixes = (0..8).map(|n| Locator::from_bits(0x2001_0db8_000b_0000 + (n << 8)));
        scenario.sites[1].prefixes = prefixes.collect();
    })?;
    let mut talk = scene.talk()?;
    talk.exchange(BOUND)?;
    scene.move_hard(MOBILE, "b")?;
    talk.exchange(BOUND)?;
    scene.await_correspondents(PEER, BOUND, |known| {
        let locators = known.first().and_then(|one| one["locators"].as_array());
        locators.is_some_and(|locators| locators.len() == 8)
    })
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, anyhow::Result<T>>) -> anyhow::Result<T> {
    thread.join().expect("the thread does not panic")
}
