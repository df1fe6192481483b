//! The life of the daemon beside its sessions.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tests::scene::{MOBILE, PEER, Scene};
use tests::session;

const BOUND: Duration = Duration::from_secs(5);

/// A killed daemon stops no established session; a new one takes over without a lost packet and
/// carries the sessions through the next move.
#[test]
fn sessions_outlive_the_daemon() -> anyhow::Result<()> {
    const COUNT: u32 = 2500;
    let mut scene = Scene::start("killed")?;
    let mut talk = scene.talk()?;
    talk.exchange(BOUND)?;
    let stream = scene.numbered(MOBILE, PEER)?;
    stream.run(5, Duration::from_millis(10), BOUND)?;
    let received = std::thread::scope(|scope| {
        let stream = scope.spawn(|| stream.run(COUNT, Duration::from_millis(1), BOUND));
        for host in [MOBILE, PEER] {
            scene.lab().daemon(host)?.0.kill();
        }
        std::thread::sleep(Duration::from_millis(300));
        for host in [MOBILE, PEER] {
            let (daemon, host) = scene.lab().daemon(host)?;
            daemon.start(host)?;
            daemon.wait_until_ready(host)?;
        }
        stream.join().expect("the stream does not panic")
    })?;
    let missing: Vec<u32> = (0..COUNT).filter(|n| !received.contains(n)).collect();
    assert!(missing.is_empty(), "lost {missing:?}");
    talk.exchange(BOUND)?;
    scene.move_hard(MOBILE, "b")?;
    talk.exchange(BOUND)?;
    scene.await_correspondent_at(PEER, "b", BOUND)
}

/// `--cleanup` leaves the host as it was before the first start.
#[test]
fn cleanup_leaves_nothing_behind() -> anyhow::Result<()> {
    let mut scene = Scene::start("cleanup")?;
    scene.talk()?.exchange(BOUND)?;
    scene.lab().daemon(MOBILE)?.0.kill();
    let before = state(&mut scene)?;
    assert!(before.contains("ilnp0"), "{before}");
    run_daemon(&mut scene, MOBILE, &["--cleanup"])?;
    let after = state(&mut scene)?;
    for trace in ["ilnp0", "fd69", "ilnp_", "clsact", "layout"] {
        assert!(!after.contains(trace), "{trace} is left:\n{after}");
    }
    let token = "token :: dev eth0";
    assert!(after.contains(token), "no {token:?}:\n{after}");
    // Nothing is left to clean up, and that is no mistake.
    run_daemon(&mut scene, MOBILE, &["--cleanup"])?;
    Ok(())
}

#[test]
fn second_daemon_is_refused_and_the_first_goes_on() -> anyhow::Result<()> {
    let mut scene = Scene::start("second-daemon")?;
    let mut talk = scene.talk()?;
    let error = run_daemon(&mut scene, MOBILE, &[]).unwrap_err().to_string();
    assert!(error.contains("already"), "{error}");
    talk.exchange(BOUND)?;
    scene.move_hard(MOBILE, "b")?;
    talk.exchange(BOUND)?;
    Ok(())
}

/// A correspondent that lost everything it knew is met anew (its Nonces are others now).
#[test]
fn correspondent_that_restarted_is_met_again() -> anyhow::Result<()> {
    let mut scene = Scene::start("peer-restart")?;
    scene.talk()?.exchange(BOUND)?;
    scene.lab().daemon(PEER)?.0.kill();
    run_daemon(&mut scene, PEER, &["--cleanup"])?;
    let (daemon, host) = scene.lab().daemon(PEER)?;
    daemon.start(host)?;
    daemon.wait_until_ready(host)?;
    scene.talk().context("after the restart")?.exchange(BOUND)?;
    scene.move_hard(MOBILE, "b")?;
    scene.talk()?.exchange(BOUND)?;
    Ok(())
}

/// The sites' routers get packets from their hosts before they are segmented. What they take for the
/// length of a TCP header depends on the sequence numbers, so many connections are made.
#[test]
fn bulk_transfer_with_short_nonces_passes_routers() -> anyhow::Result<()> {
    let mut scene = Scene::start("short-nonces")?;
    for host in [MOBILE, PEER] {
        let (daemon, host) = scene.lab().daemon(host)?;
        daemon.stop();
        let configuration = std::fs::read_to_string(daemon.configuration())?;
        let short = format!("nonce-bits = 32\n{configuration}");
        std::fs::write(daemon.configuration(), short)?;
        daemon.start(host)?;
        daemon.wait_until_ready(host)?;
    }
    let (mobile, peer) = (scene.host(MOBILE)?, scene.host(PEER)?);
    let start = Instant::now();
    for _ in 0..40 {
        session::transfer(mobile, peer, scene.handle(PEER)?, 200_000)?;
        // Refused packets do not end a connection: they are sent again, after a second or more.
        ensure!(start.elapsed() < 4 * BOUND, "connections stall");
    }
    Ok(())
}

/// Runs the daemon's program on a host to its end.
fn run_daemon(scene: &mut Scene, host: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let (daemon, host) = scene.lab().daemon(host)?;
    let program = tests::program("ilnp-hostd");
    let mut command = host.command("timeout");
    command.arg("10").arg(program).arg("--config");
    command.arg(daemon.configuration()).args(arguments);
    session::output(&mut command)
}

/// All that a daemon changes on a host.
fn state(scene: &mut Scene) -> anyhow::Result<String> {
    let pins = scene.lab().topology().run_directory().join("m/bpf");
    let show = "ls /sys/class/net; ip -o address; ip -6 route show table all; ip -6 rule; \
                ip token; tc qdisc show; bpftool net show; ls -R $0";
    session::output(
        scene
            .host(MOBILE)?
            .command("sh")
            .args(["-c", show])
            .arg(pins),
    )
}
