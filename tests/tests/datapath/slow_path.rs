//! What the programs leave to the daemon reaches it whole, and goes on when it is written back.

use std::convert::Infallible;

use anyhow::{Context as _, ensure};
use ilnp_core::id::{Handle, HandlePrefix, IlVector};
use ilnp_core::node::DatapathUpdate;
use ilnp_core::wire::headers::Headers;
use ilnp_core::wire::translate::{self, Inward, Outward};
use ilnp_core::wire::{Nonce, Packet};
use ilnp_hostd::datapath::{AttachMethod, Tun};

use crate::pair::{Host, Pair};
use crate::traffic;

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
