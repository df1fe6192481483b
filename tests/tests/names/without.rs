//! What is missing: ILNP at the other end, name servers, or a Locator. Programs see working
//! connections or plain errors, and never wait long.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tests::name_servers::{NameServer, Role, Setup, Software};
use tests::scene::{self, MOBILE, PEER, Scene};
use tests::session::{self, Conversation};

use crate::stage::{
    BOUND, PEER_NAME, SERVER_SITE, address, ask_stub, await_published, await_that, configure,
    filter, restart, start, start_with,
};

/// How long a program waits until its connection to the name stands.
fn connect(scene: &mut Scene) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let found = scene.lab().look_up(MOBILE, PEER_NAME)?;
    let mut talk = Conversation::open(scene.host(MOBILE)?, scene.host(PEER)?, found)?;
    let took = begin.elapsed();
    talk.exchange(BOUND)?;
    Ok(took)
}

/// Lets the mobile host ask a name server of its own, which is there when the network is not, and
/// which says that the other host speaks ILNP.
fn with_own_name_server(scene: &mut Scene) -> anyhow::Result<NameServer> {
    let zone = format!(
        "$ORIGIN example.org.\n@ 5 SOA ns hostmaster 1 3600 600 86400 5\n@ 5 NS ns\nns 5 AAAA ::1\n\
         c 5 NID 10 {nid}\nc 5 L64 10 2001:0db8:000c:0000\nc 5 AAAA {address}\n",
        nid = scene::nid(PEER),
        address = address(PEER, "c"),
    );
    let name_server = {
        let setup = Setup::at("[::1]:5300".parse()?).inside(scene.host(MOBILE)?);
        Software::Bind.start(&setup.zone("example.org", Role::primary(&zone)))?
    };
    configure(scene, MOBILE, |before| {
        let line = before.lines().find(|line| line.starts_with("upstreams"));
        before.replace(line.unwrap_or_default(), "upstreams = [\"[::1]:5300\"]")
    })?;
    restart(scene, MOBILE)?;
    Ok(name_server)
}

/// A host that spoke ILNP once: its records are still there, its daemon is not.
fn scene_with_stale_records(name: &str) -> anyhow::Result<(Scene, NameServer)> {
    let mut scene = start_with(name, |scenario| {
        if let Some(peer) = scenario.hosts.get_mut(1) {
            peer.ilnp = false;
            peer.dns = None;
        }
    })?;
    let name_server = with_own_name_server(&mut scene)?;
    Ok((scene, name_server))
}

/// A firewall swallows packets with the Nonce.
#[test]
fn stale_records_cost_less_than_four_seconds_and_only_once() -> anyhow::Result<()> {
    let (mut scene, _name_server) = scene_with_stale_records("names-stale-silent")?;
    filter(&scene, "c", "exthdr dst exists")?;
    let first = connect(&mut scene)?;
    println!("the first connection took {first:?}");
    ensure!(first < Duration::from_secs(4), "{first:?}");
    let found = scene.ask(MOBILE, &["resolve", PEER_NAME])?;
    ensure!(found["verdict"] == "classic", "{found}");
    // Whoever asks now has the real address.
    let found = scene.lab().look_up(MOBILE, PEER_NAME)?;
    ensure!(found.to_string() == address(PEER, "c"), "{found}");
    let second = connect(&mut scene)?;
    ensure!(second < Duration::from_secs(1), "{second:?}");
    Ok(())
}

/// The kernel of the other host refuses the Nonce by itself.
#[test]
fn stale_records_of_a_host_that_refuses_cost_little() -> anyhow::Result<()> {
    let (mut scene, _name_server) = scene_with_stale_records("names-stale-refused")?;
    let first = connect(&mut scene)?;
    println!("the first connection took {first:?}");
    ensure!(first < Duration::from_millis(2500), "{first:?}");
    let second = connect(&mut scene)?;
    ensure!(second < Duration::from_secs(1), "{second:?}");
    Ok(())
}

/// No name server answers: a plain error, and soon.
#[test]
fn without_name_servers_programs_get_an_error_soon() -> anyhow::Result<()> {
    let mut scene = start("names-no-upstream")?;
    await_published(&mut scene, PEER, &["c"])?;
    filter(&scene, SERVER_SITE, "udp dport 53")?;
    for question in [
        &["new.example.org", "AAAA"][..],
        &["new.example.org", "TXT"],
    ] {
        let begin = Instant::now();
        let said = ask_stub(&scene, MOBILE, question)?;
        let took = begin.elapsed();
        println!("{question:?}: an answer after {took:?}");
        ensure!(said.contains("SERVFAIL"), "{said}");
        ensure!(took < Duration::from_secs(3), "{took:?}");
    }
    Ok(())
}

/// A host without a Locator cannot speak ILNP: names are what DNS says that they are.
#[test]
fn without_a_locator_answers_pass_through() -> anyhow::Result<()> {
    let mut scene = start("names-no-locator")?;
    let _name_server = with_own_name_server(&mut scene)?;
    let aaaa = address(PEER, "c");
    let answer = |scene: &Scene| {
        let said = ask_stub(scene, MOBILE, &["+short", PEER_NAME, "AAAA"])?;
        Ok::<_, anyhow::Error>(said.trim().to_owned())
    };
    let handle = scene.handle(PEER)?.to_string();
    ensure!(answer(&scene)? == handle);
    let link = |scene: &Scene, state: &str| {
        let mut ip = scene.host(MOBILE)?.command("ip");
        session::output(ip.args(["link", "set", "eth0", state])).map(drop)
    };
    link(&scene, "down")?;
    await_that(BOUND, "the real address", || Ok(answer(&scene)? == aaaa))?;
    link(&scene, "up")?;
    await_that(BOUND, "the handle again", || Ok(answer(&scene)? == handle))?;
    Ok(())
}
