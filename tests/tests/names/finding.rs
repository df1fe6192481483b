//! Programs find hosts by name, and the sessions go between handles.

use std::net::Ipv6Addr;

use anyhow::ensure;
use tests::scene::{MOBILE, PEER, Scene};
use tests::session::Conversation;

use crate::stage::{BOUND, PEER_NAME, address, ask_stub, await_published, start};

fn handle_by_name(scene: &mut Scene) -> anyhow::Result<Ipv6Addr> {
    let found = scene.lab().look_up(MOBILE, PEER_NAME)?;
    ensure!(found == scene.handle(PEER)?, "{PEER_NAME} is {found}");
    Ok(found)
}

fn talk(scene: &Scene, to: Ipv6Addr) -> anyhow::Result<Conversation> {
    let mut talk = Conversation::open(scene.host(MOBILE)?, scene.host(PEER)?, to)?;
    talk.exchange(BOUND)?;
    Ok(talk)
}

/// A look-up gives the handle, a session begins with it, and everybody sees the name.
#[test]
fn a_name_leads_to_a_session_that_survives_moves() -> anyhow::Result<()> {
    let mut scene = start("names-find")?;
    await_published(&mut scene, PEER, &["c"])?;
    let handle = handle_by_name(&mut scene)?;
    let mut session = talk(&scene, handle)?;
    let known = scene.correspondents(MOBILE)?;
    ensure!(
        known.len() == 1 && known[0]["state"] == "established",
        "{known:?}"
    );
    ensure!(known[0]["names"][0] == PEER_NAME, "{known:?}");
    let reverse = ask_stub(&scene, MOBILE, &["+short", "-x", &handle.to_string()])?;
    ensure!(reverse.trim() == format!("{PEER_NAME}."), "{reverse:?}");

    scene.move_hard(PEER, "d")?;
    session.exchange(BOUND)?;
    scene.move_hard(MOBILE, "b")?;
    session.exchange(BOUND)?;
    // Who looks the name up now has the same handle, and reaches the new site.
    await_published(&mut scene, PEER, &["d"])?;
    ensure!(handle_by_name(&mut scene)? == handle);
    talk(&scene, handle)?;
    Ok(())
}

/// `ilnp resolve` and `ilnp ping` take names that nobody has asked for yet.
#[test]
fn the_command_takes_names() -> anyhow::Result<()> {
    let mut scene = start("names-command")?;
    await_published(&mut scene, PEER, &["c"])?;
    let (daemon, host) = scene.lab().daemon(MOBILE)?;
    let mut ping = daemon.ilnp(host);
    let ping = ping.args(["--json", "ping", "-c1", PEER_NAME]).output()?;
    let reply: serde_json::Value = serde_json::from_slice(&ping.stdout)?;
    ensure!(reply["remote"] == "2001:db8:c::/64", "{reply}");

    let found = scene.ask(MOBILE, &["resolve", PEER_NAME])?;
    ensure!(found["verdict"] == "ilnp", "{found}");
    ensure!(
        found["handle"] == scene.handle(PEER)?.to_string(),
        "{found}"
    );
    ensure!(found["locators"][0] == "2001:db8:c::/64", "{found}");
    let types: Vec<_> = found["records"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|record| record["type"].to_string())
        .collect();
    ensure!(types == ["\"NID\"", "\"L64\"", "\"AAAA\""], "{found}");
    ensure!(found["records"][2]["data"] == address(PEER, "c"), "{found}");

    let nobody = scene.ask(MOBILE, &["resolve", "nobody.example.org"])?;
    ensure!(nobody["verdict"] == "none", "{nobody}");
    Ok(())
}
