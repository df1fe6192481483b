//! Daemons come and go; packets do not notice.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use ilnp_hostd::datapath::{AttachMethod, DataPath};

use crate::pair::{Pair, when_free};

const DAEMONS: u32 = 10;
const INTERVAL: Duration = Duration::from_micros(200);

#[test]
fn new_daemons_lose_no_packet_with_tcx() -> anyhow::Result<()> {
    new_daemons_lose_no_packet(AttachMethod::Tcx)
}

#[test]
fn new_daemons_lose_no_packet_with_clsact() -> anyhow::Result<()> {
    new_daemons_lose_no_packet(AttachMethod::Clsact)
}

fn new_daemons_lose_no_packet(method: AttachMethod) -> anyhow::Result<()> {
    let mut pair = Pair::new(method, 12)?;
    let (near, far) = (pair.hosts[0].datagrams()?, pair.hosts[1].datagrams()?);
    let destination = far.local_addr()?;
    // What waits for a router to be found is lost; daemons send first, and find it.
    warm_up(&near, &far)?;
    let done = AtomicBool::new(false);
    let (sent, received) = thread::scope(|scope| -> anyhow::Result<_> {
        let sender = scope.spawn(|| -> std::io::Result<u64> {
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                near.send_to(&[0; 64], destination)?;
                sent += 1;
                sleep(INTERVAL);
            }
            Ok(sent)
        });
        let receiver = scope.spawn(|| {
            let mut received = 0u64;
            // The time-out ends it, long after the last one was sent.
            while far.recv(&mut [0; 64]).is_ok() {
                received += 1;
            }
            received
        });
        let changed = change_daemons(&mut pair);
        done.store(true, Ordering::Relaxed);
        let sent = sender.join().expect("the sender does not panic")?;
        let received = receiver.join().expect("the receiver does not panic");
        changed.map(|()| (sent, received))
    })?;
    ensure!(sent > 100, "only {sent} packets were sent meanwhile");
    ensure!(
        sent == received,
        "{} of {sent} packets were lost",
        sent - received
    );
    for host in &mut pair.hosts {
        let left = host.data_path().counters()?.to_daemon;
        ensure!(left < 20, "{left} packets needed a daemon");
    }
    clean_up(&mut pair)
}

fn warm_up(near: &UdpSocket, far: &UdpSocket) -> anyhow::Result<()> {
    for _ in 0..10 {
        near.send_to(b"warm", far.local_addr()?)?;
        if far.recv(&mut [0; 64]).is_ok() {
            return Ok(());
        }
    }
    anyhow::bail!("nothing arrives")
}

fn change_daemons(pair: &mut Pair) -> anyhow::Result<()> {
    for _ in 0..DAEMONS {
        for at in 0..2 {
            let attached = pair.hosts[at].data_path().attached();
            pair.hosts[at].abandon();
            sleep(Duration::from_millis(5));
            let restored = pair.open(at)?;
            let [session] = restored.as_slice() else {
                anyhow::bail!("{restored:?} was restored");
            };
            let other = &pair.hosts[1 - at];
            ensure!(session.handle.nid == other.config.nid, "{session:?}");
            ensure!(session.entry.destination == other.locator, "{session:?}");
            ensure!(session.entry.locators.len() == 1, "{session:?}");
            ensure!(
                pair.hosts[at].data_path().attached() == attached,
                "an interface was lost"
            );
        }
    }
    Ok(())
}

/// The kernel takes a program away some time after its last pin.
#[test]
fn an_interface_that_was_left_is_used_again_at_once() -> anyhow::Result<()> {
    for method in [AttachMethod::Tcx, AttachMethod::Clsact] {
        let mut pair = Pair::new(method, 12)?;
        let host = &mut pair.hosts[0];
        let attached = host.data_path().attached();
        let eth0 = *attached.first().context("no interface is attached")?;
        let (data_path, _) = host.held.as_mut().context("it is closed")?;
        host.namespace.inside(|| {
            (0..20).try_for_each(|_| {
                data_path.detach(eth0)?;
                data_path.attach(eth0)
            })
        })??;
        ensure!(host.data_path().attached() == attached, "{method:?}");
        host.abandon();
        clean_up(&mut pair)?;
    }
    Ok(())
}

#[test]
fn interfaces_that_vanished_are_forgotten() -> anyhow::Result<()> {
    for method in [AttachMethod::Tcx, AttachMethod::Clsact] {
        let mut pair = Pair::new(method, 12)?;
        pair.hosts[0].abandon();
        pair.hosts[0].namespace.ip(&["link del eth0"])?;
        pair.open(0)?;
        let host = &mut pair.hosts[0];
        let attached = host.data_path().attached();
        ensure!(attached.is_empty(), "{method:?}: {attached:?}");
        // While the daemon runs, too.
        host.namespace
            .ip(&["link add eth0 type veth peer name eth1"])?;
        let namespace = &host.namespace;
        let (data_path, _) = host.held.as_mut().expect("it is open");
        let eth0 = namespace.inside(|| nix::net::if_::if_nametoindex("eth0"))??;
        namespace.inside(|| data_path.attach(eth0))??;
        ensure!(data_path.attached().contains(&eth0), "{method:?}");
        namespace.ip(&["link del eth0"])?;
        namespace.inside(|| data_path.detach(eth0))??;
        namespace.inside(|| data_path.detach(eth0))??;
        ensure!(data_path.attached().is_empty(), "{method:?}");
        host.abandon();
        clean_up(&mut pair)?;
    }
    Ok(())
}

/// Nothing is left, and doing it twice is fine.
fn clean_up(pair: &mut Pair) -> anyhow::Result<()> {
    for host in &mut pair.hosts {
        host.abandon();
        for _ in 0..2 {
            host.namespace
                .inside(|| when_free(|| DataPath::cleanup(&host.config)))??;
        }
        let command = |program: &str, words: &[&str]| -> anyhow::Result<String> {
            let output = host.namespace.command(program).args(words).output()?;
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let links = command("ip", &["-o", "link"])?;
        ensure!(!links.contains("ilnp0"), "{links}");
        for direction in ["ingress", "egress"] {
            let filters = command("tc", &["filter", "show", "dev", "eth0", direction])?;
            ensure!(filters.trim().is_empty(), "{direction}: {filters}");
        }
        let qdiscs = command("tc", &["qdisc", "show", "dev", "eth0"])?;
        ensure!(!qdiscs.contains("clsact"), "{qdiscs}");
    }
    Ok(())
}
