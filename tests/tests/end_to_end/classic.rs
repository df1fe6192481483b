//! Correspondents that do not speak ILNP.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use ilnp_core::id::IlVector;
use tests::judge;
use tests::scene::{self, MOBILE, PEER, Scene};
use tests::session::{self, Conversation};

const BOUND: Duration = Duration::from_secs(5);

/// The mobile host was told that the correspondent speaks ILNP; it does not.
fn scene_with_a_classic_peer(name: &str) -> anyhow::Result<Scene> {
    let mut scene = Scene::start_with(name, |scenario| scenario.hosts[1].ilnp = false)?;
    let (daemon, host) = scene.lab().daemon(MOBILE)?;
    daemon.stop();
    let mut file = OpenOptions::new()
        .append(true)
        .open(daemon.configuration())?;
    writeln!(
        file,
        "\n[[correspondent]]\nname = \"c.lab\"\nnid = \"{}\"\nlocators = [\"{}\"]",
        scene::nid(PEER),
        scene::locator("c"),
    )?;
    daemon.start(host)?;
    daemon.wait_until_ready(host)?;
    Ok(scene)
}

/// An unmodified kernel answers the Nonce option with a Parameter Problem; the connection that the
/// application asked for comes all the same, and without a Nonce.
#[test]
fn connection_falls_back_to_classic_ipv6() -> anyhow::Result<()> {
    let mut scene = scene_with_a_classic_peer("fallback")?;
    let capture = scene.capture(PEER, "fallback")?;
    let mut talk = scene.talk()?;
    for _ in 0..3 {
        talk.exchange(BOUND)?;
    }
    let capture = capture.finish();
    let data = "tcp.len > 0";
    assert!(judge::count(&capture, data)? >= 6);
    assert_eq!(
        judge::count(&capture, &format!("{data} && ipv6.opt.ilnp_nonce"))?,
        0
    );
    assert!(judge::count(&capture, "icmpv6.type == 4 && icmpv6.code == 2")? >= 1);
    let known = scene.correspondents(MOBILE)?;
    assert_eq!(known[0]["state"], "classic", "{known:?}");
    // The next connection is classic at once.
    let start = std::time::Instant::now();
    scene.talk()?.exchange(BOUND)?;
    assert!(
        start.elapsed() < Duration::from_millis(900),
        "{:?}",
        start.elapsed()
    );
    Ok(())
}

/// What is translated by the daemon has right classic checksums, whoever computed them first.
#[test]
fn classic_checksums_are_right_without_offload() -> anyhow::Result<()> {
    let scene = scene_with_a_classic_peer("fallback-checksums")?;
    for (host, interface) in [(MOBILE, "ilnp0"), (MOBILE, "eth0"), (PEER, "eth0")] {
        let mut ethtool = scene.host(host)?.command("ethtool");
        session::output(ethtool.args(["-K", interface, "tx", "off"]))?;
    }
    let capture = scene.capture(PEER, "checksums")?;
    let mut talk = scene.talk()?;
    talk.exchange(BOUND)?;
    let capture = capture.finish();
    let classic = "tcp && !ipv6.opt.ilnp_nonce";
    let judged = |verdict| {
        let preference = ("tcp.check_checksum", "TRUE");
        let filter = format!("{classic} && tcp.checksum.status == \"{verdict}\"");
        judge::count_with(&capture, preference, &filter)
    };
    assert_eq!(judged("Bad")?, 0, "{}", capture.display());
    assert!(judged("Good")? > 4);
    Ok(())
}

#[test]
fn echoes_fall_back_to_classic_ipv6() -> anyhow::Result<()> {
    let scene = scene_with_a_classic_peer("fallback-echo")?;
    let peer = scene.handle(PEER)?.to_string();
    let said = session::output(
        scene
            .host(MOBILE)?
            .command("ping")
            .args(["-c5", "-i0.5", "-W2", &peer]),
    )?;
    assert!(!said.contains(" 0 received"), "{said}");
    Ok(())
}

/// Silence, as from a firewall that drops destination options, leads to the same fallback.
#[test]
fn silence_falls_back_to_classic_ipv6() -> anyhow::Result<()> {
    let scene = scene_with_a_classic_peer("fallback-silence")?;
    let rules = "table ip6 silence {\n chain drop_options {\n\
                 type filter hook forward priority 1;\n exthdr dst exists drop\n }\n }";
    session::output(scene.router("c")?.command("nft").arg(rules))?;
    scene.talk()?.exchange(BOUND)?;
    Ok(())
}

/// A host with the daemon serves others as ever.
#[test]
fn classic_hosts_reach_an_ilnp_host() -> anyhow::Result<()> {
    let scene = Scene::start_with("classic-client", |scenario| scenario.hosts[1].ilnp = false)?;
    let real = IlVector::new(scene::nid(MOBILE), scene::locator("a")).address();
    let mut talk = Conversation::open(scene.host(PEER)?, scene.host(MOBILE)?, real)?;
    talk.exchange(BOUND)?;
    Ok(())
}
