//! What the programs leave to the daemon reaches it whole, and goes on when it is written back.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use ilnp_core::drop_reason::DropReason;
use ilnp_core::id::{Handle, HandlePrefix, IlVector};
use ilnp_core::node::DatapathUpdate;
use ilnp_core::wire::headers::Headers;
use ilnp_core::wire::translate::{self, Inward, Outward};
use ilnp_core::wire::{Nonce, Packet, protocol};
use ilnp_hostd::datapath::{AttachMethod, Tun};

use crate::pair::{Host, Pair};
use crate::traffic;

const AT_ONCE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn a_session_runs_through_user_space() -> anyhow::Result<()> {
    let mut pair = Pair::new(AttachMethod::Tcx, 12)?;
    for at in 0..2 {
        let handle = Handle::new(pair.hosts[1 - at].config.nid);
        let gone = DatapathUpdate::Correspondent {
            handle,
            entry: None,
        };
        pair.hosts[at].data_path().apply(gone)?;
    }
    let [one, two] = &pair.hosts;
    let pumps =
        async { tokio::try_join!(pump(one, two), pump(two, one)).map(|(never, _)| match never {}) };
    std::thread::scope(|scope| {
        let (done, is_done) = tokio::sync::oneshot::channel();
        let traffic = scope.spawn(move || {
            let result = traffic::stream(one, two, 2)
                .and_then(|()| traffic::echoes(one, two, &["56", "4000"]));
            // Nobody waits for it any more when a pump failed.
            let _ = done.send(());
            result
        });
        let pumped: anyhow::Result<()> = pair.runtime().block_on(async {
            tokio::select! {
                failed = pumps => failed,
                _ = is_done => Ok(()),
            }
        });
        let moved = traffic.join().expect("the traffic does not panic");
        pumped.and(moved)
    })?;
    for host in &mut pair.hosts {
        let counters = host.data_path().counters()?;
        ensure!(
            counters.to_daemon > 20 && counters.injected > 20,
            "{counters:?}"
        );
        ensure!(counters.translated_out == 0, "{counters:?}");
    }
    Ok(())
}

#[test]
fn a_flood_leaves_room_for_what_proves_a_session() -> anyhow::Result<()> {
    const FLOOD: usize = 3000;
    let mut pair = Pair::new(AttachMethod::Tcx, 12)?;
    let handle = Handle::new(pair.hosts[0].config.nid);
    let gone = DatapathUpdate::Correspondent {
        handle,
        entry: None,
    };
    pair.hosts[1].data_path().apply(gone)?;
    let [one, two] = &pair.hosts;
    let (near, far) = (one.datagrams()?, two.datagrams()?);
    for _ in 0..FLOOD {
        near.send_to(&[0; 64], far.local_addr()?)?;
    }
    let mut ping = one.namespace.command("ping");
    ping.args(["-c", "3", "-i", "0.01", "-W", "1"]);
    // Nobody answers.
    ping.arg(two.handle().to_string()).output()?;

    let (_, tun) = two.held.as_ref().context("it is closed")?;
    let mut waiting = BTreeMap::new();
    while let Ok(packet) = pair.runtime().block_on(within(AT_ONCE, tun)) {
        let headers = Headers::parse(&packet.octets);
        let protocol = headers.map_or(0, |headers| headers.protocol);
        *waiting.entry(protocol).or_insert(0) += 1;
    }
    let echoes = waiting.get(&protocol::ICMPV6).copied().unwrap_or(0);
    ensure!(echoes >= 3, "{waiting:?}");
    let datagrams = waiting.get(&protocol::UDP).copied().unwrap_or(0);
    ensure!((100..FLOOD).contains(&datagrams), "{waiting:?}");

    near.send_to(&[1; 64], far.local_addr()?)?;
    let more = pair.runtime().block_on(within(PATIENCE, tun));
    more.context("there is no room in an empty queue")?;
    let counters = pair.hosts[1].data_path().counters()?;
    let dropped = counters.drops.get(&DropReason::SlowPathFull);
    let counted = dropped.is_some_and(|&dropped| dropped > u64::try_from(FLOOD / 2).unwrap_or(0));
    ensure!(counted, "{counters:?}, {waiting:?}");
    Ok(())
}

/// The next packet for the daemon.
async fn within(patience: Duration, tun: &Tun) -> anyhow::Result<Packet> {
    Ok(tokio::time::timeout(patience, tun.recv()).await??)
}

/// A daemon that knows one correspondent and does nothing but translate.
async fn pump(here: &Host, there: &Host) -> anyhow::Result<Infallible> {
    let (_, tun) = here.held.as_ref().context("it is closed")?;
    loop {
        let packet = tun.recv().await?;
        translate(tun, &packet, here, there)?;
        while let Ok(packet) = tun.try_recv() {
            translate(tun, &packet, here, there)?;
        }
    }
}

fn translate(tun: &Tun, packet: &Packet, here: &Host, there: &Host) -> anyhow::Result<()> {
    let prefix = HandlePrefix::DEFAULT;
    let Ok(headers) = Headers::parse(&packet.octets) else {
        return Ok(());
    };
    let translated = if headers.destination == there.handle() {
        let outward = Outward {
            source: here.locator,
            destination: there.locator,
            nonce: Nonce::from_slice(&[0x99; 12]).context("a Nonce")?,
        };
        translate::outward(packet, &outward)
    } else if headers.destination == IlVector::new(here.config.nid, here.locator).address() {
        let inward = Inward {
            source: prefix.locator(),
            destination: prefix.locator(),
        };
        translate::inward(packet, &headers, &inward)
    } else {
        // The kernel's own, such as a Router Solicitation.
        return Ok(());
    };
    let translated = translated.map_err(|reason| anyhow::anyhow!("{reason}"))?;
    Ok(tun.send(&translated)?)
}
