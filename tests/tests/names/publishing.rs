//! A host's records are those of the Locators that work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::ensure;
use ilnp_core::id::Nid;
use tests::scene::{self, MOBILE, Scene};

use crate::stage::{
    BOUND, MOBILE_NAME, PEER_NAME, address, await_published, await_that, build, configure, l64,
    primary, records, reload, start,
};

/// NID as dig writes it: leading zeros are left out.
fn nid(nid: Nid) -> String {
    let groups = nid.octets();
    let groups: Vec<_> = groups
        .chunks_exact(2)
        .map(|pair| format!("{:x}", u16::from_be_bytes([pair[0], pair[1]])))
        .collect();
    format!("10 {}", groups.join(":"))
}

/// The different answers that a name's L64 records have while something is done.
fn answers_during(
    scene: &mut Scene,
    act: impl FnOnce(&mut Scene) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Vec<String>>> {
    let server = scene.router(crate::stage::SERVER_SITE)?.name().to_owned();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen: Vec<Vec<String>> = Vec::new();
            loop {
                // Once more after the end: the last change may have come behind the last question.
                let last = done.load(Ordering::Relaxed);
                let dig = std::process::Command::new("ip")
                    .args(["netns", "exec", &server, "dig", "@2001:db8:e::53"])
                    .args(["+short", MOBILE_NAME, "L64"])
                    .output()?;
                let text = String::from_utf8_lossy(&dig.stdout).into_owned();
                let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
                lines.sort();
                if seen.last() != Some(&lines) {
                    seen.push(lines);
                }
                if last {
                    return Ok(seen);
                }
            }
        });
        let acted = act(scene);
        done.store(true, Ordering::Relaxed);
        let seen = watcher.join().unwrap_or_else(|_| Ok(Vec::new()));
        acted.and(seen)
    })
}

/// At the start and after a hard handoff: NID, L64 and AAAA, and never a moment without.
#[test]
fn a_host_is_published_where_it_is() -> anyhow::Result<()> {
    let mut scene = start("names-publish")?;
    let at = await_published(&mut scene, MOBILE, &["a"])?;
    ensure!(at["zone"] == "example.org", "{at}");
    ensure!(records(&scene, MOBILE_NAME, "NID")? == [nid(scene::nid(MOBILE))]);
    ensure!(records(&scene, MOBILE_NAME, "L64")? == [l64(10, "a")]);
    ensure!(records(&scene, MOBILE_NAME, "AAAA")? == [address(MOBILE, "a")]);
    let seen = answers_during(&mut scene, |scene| {
        scene.move_hard(MOBILE, "b")?;
        await_published(scene, MOBILE, &["b"]).map(drop)
    })?;
    ensure!(seen == [[l64(10, "a")], [l64(10, "b")]], "{seen:?}");
    ensure!(records(&scene, MOBILE_NAME, "AAAA")? == [address(MOBILE, "b")]);
    ensure!(records(&scene, PEER_NAME, "L64")? == [l64(10, "c")]);
    Ok(())
}

/// The new Locator is added first, the old one removed when it goes.
#[test]
fn a_soft_handoff_is_published_in_two_steps() -> anyhow::Result<()> {
    let mut scene = start("names-soft")?;
    await_published(&mut scene, MOBILE, &["a"])?;
    let seen = answers_during(&mut scene, |scene| {
        scene.move_soft(MOBILE, "b", Duration::from_secs(2))?;
        await_published(scene, MOBILE, &["b"]).map(drop)
    })?;
    ensure!(
        seen == [
            vec![l64(10, "a")],
            vec![l64(10, "b"), l64(20, "a")],
            vec![l64(10, "b")]
        ],
        "{seen:?}"
    );
    Ok(())
}

/// `ilnp status` tells a wrong key from a server that does not answer, and a new key applies without
/// a restart.
#[test]
fn what_is_wrong_is_told_and_can_be_put_right() -> anyhow::Result<()> {
    let mut scene = build("names-wrong-key", |_| {})?;
    scene.lab().start_daemons()?;
    let problem = |scene: &mut Scene, kind: &str| {
        let mut last = serde_json::Value::Null;
        await_that(BOUND, "the problem", || {
            last = primary(scene, MOBILE)?;
            Ok(last["problem"]["kind"] == kind)
        })
        .map_err(|error| error.context(format!("{kind}: {last}")))
    };
    problem(&mut scene, "unreachable")?;
    scene.lab().start_name_servers()?;
    await_published(&mut scene, MOBILE, &["a"])?;

    let wrong = scene.out().join("wrong.key");
    let text = format!(
        "key \"{MOBILE_NAME}\" {{ algorithm hmac-sha256; secret \"bm90IHRoaXMgb25l\"; }};\n"
    );
    std::fs::write(&wrong, text)?;
    let mut right = String::new();
    configure(&mut scene, MOBILE, |before| {
        right = before.to_owned();
        let line = before
            .lines()
            .find(|line| line.starts_with("tsig-key-file"));
        let line = line.unwrap_or_default();
        before.replace(line, &format!("tsig-key-file = {wrong:?}"))
    })?;
    reload(&mut scene, MOBILE)?;
    problem(&mut scene, "wrong-key")?;
    ensure!(records(&scene, MOBILE_NAME, "L64")? == [l64(10, "a")]);

    configure(&mut scene, MOBILE, |_| right)?;
    reload(&mut scene, MOBILE)?;
    await_published(&mut scene, MOBILE, &["a"])?;
    Ok(())
}
