//! What applications notice: nothing.

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use ilnp_hostd::datapath::AttachMethod;

use crate::pair::{Host, Pair};

const MEGABYTES: usize = 16;
/// Sizes of echoes that fit into a packet. Fragments of ICMPv6 messages need a daemon.
const WHOLE: [&str; 2] = ["56", "1436"];
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn every_kind_of_packet_passes_without_a_daemon() -> anyhow::Result<()> {
    for nonce_octets in [12, 4] {
        let mut pair = Pair::new(AttachMethod::Tcx, nonce_octets)?;
        if nonce_octets == 4 {
            // Behind a short Nonce, a sequence number stands where the router looks for the length
            // of the TCP header when a packet is still to be segmented.
            pair.segment_early()?;
        }
        pair.hosts.iter_mut().for_each(Host::abandon);
        let [one, two] = &pair.hosts;
        stream(one, two, MEGABYTES)?;
        datagrams(one, two)?;
        echoes(one, two, &WHOLE)?;
        for at in 0..2 {
            pair.open(at)?;
            let counters = pair.hosts[at].data_path().counters()?;
            ensure!(counters.translated_out > 20, "{counters:?}");
            ensure!(counters.translated_in > 20, "{counters:?}");
            ensure!(counters.drops.is_empty(), "{counters:?}");
        }
    }
    Ok(())
}

#[test]
fn packets_pass_with_every_offload_off() -> anyhow::Result<()> {
    let mut pair = Pair::new(AttachMethod::Tcx, 12)?;
    pair.segment_early()?;
    pair.hosts.iter_mut().for_each(Host::abandon);
    let [one, two] = &pair.hosts;
    stream(one, two, MEGABYTES)?;
    datagrams(one, two)?;
    echoes(one, two, &WHOLE)
}

/// TCP, both ways; the segments are as large as the kernel likes them.
pub(crate) fn stream(one: &Host, two: &Host, megabytes: usize) -> anyhow::Result<()> {
    let listener = two.listen()?;
    let mut near = one.connect(listener.local_addr()?)?;
    let (mut far, peer) = listener.accept()?;
    far.set_read_timeout(Some(PATIENCE))?;
    ensure!(peer.ip() == one.handle(), "it seems to come from {peer}");
    let sent: Vec<u8> = (0..251).cycle().take(megabytes << 20).collect();
    let received = std::thread::scope(|scope| {
        scope.spawn(|| {
            near.write_all(&sent)
                .and_then(|()| near.shutdown(std::net::Shutdown::Write))
        });
        let mut received = Vec::new();
        far.read_to_end(&mut received).map(|_| received)
    })?;
    ensure!(received == sent, "the stream changed on its way");
    far.write_all(b"yes")?;
    let mut answer = [0; 3];
    near.read_exact(&mut answer)?;
    ensure!(&answer == b"yes", "{answer:?}");
    Ok(())
}

/// UDP: of one octet, as large as a packet, and in fragments.
fn datagrams(one: &Host, two: &Host) -> anyhow::Result<()> {
    let (near, far) = (one.datagrams()?, two.datagrams()?);
    let mut buffer = vec![0; 65_536];
    for round in 0..200 {
        for size in [1, 64, 1436, 1437, 4000, 20_000] {
            let sent: Vec<u8> = (0..251).cycle().skip(round).take(size).collect();
            near.send_to(&sent, far.local_addr()?)?;
            let (length, from) = far.recv_from(&mut buffer)?;
            ensure!(from == near.local_addr()?, "it seems to come from {from}");
            ensure!(
                buffer[..length] == sent,
                "{size} octets changed on their way"
            );
        }
    }
    Ok(())
}

/// ICMPv6 echoes with this many octets.
pub(crate) fn echoes(one: &Host, two: &Host, sizes: &[&str]) -> anyhow::Result<()> {
    for size in sizes {
        let mut ping: Command = one.namespace.command("ping");
        ping.args(["-c", "3", "-i", "0.05", "-W", "2", "-s", size]);
        let output = ping.arg(two.handle().to_string()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(said.contains(" 3 received"), "{ping:?}: {said}");
    }
    Ok(())
}
