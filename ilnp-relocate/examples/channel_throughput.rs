//! How fast copies go through the channel, from Unix socket to Unix socket over the loopback:
//! `cargo run --release -p ilnp-relocate --example channel_throughput -- [MIB] [STREAMS...]`.
//!
//! Each site has a thread of its own, as it has a machine of its own.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use anyhow::Context as _;
use ilnp_relocate::channel::{self, Connection, Listener, Opening, Relay, RelocationId};
use ilnp_relocate::hypervisor::Stream;
use ilnp_relocate::pki::Authority;
use ilnp_relocate::site::Site;
use ilnp_relocate::tls::{Files, Identity};

const MIB: usize = 1024 * 1024;

fn main() -> anyhow::Result<()> {
    let mut numbers = Vec::new();
    for argument in std::env::args().skip(1) {
        numbers.push(argument.parse::<usize>().context("a number is wanted")?);
    }
    let mib = numbers.first().copied().unwrap_or(512);
    let streams = numbers
        .get(1..)
        .filter(|streams| !streams.is_empty())
        .unwrap_or(&[1, 4]);
    for &streams in streams {
        let seconds = copy(mib, streams)?;
        let rate = (mib * MIB) as f64 / seconds / 1e6;
        writeln!(
            std::io::stdout(),
            "{streams} streams: {mib} MiB in {seconds:.2} s, {rate:.0} MB/s"
        )?;
    }
    Ok(())
}

/// Copies so much over so many streams, and returns how long it took, in seconds.
fn copy(mib: usize, streams: usize) -> anyhow::Result<f64> {
    let directory = std::env::temp_dir().join(format!("channel-throughput-{}", std::process::id()));
    let (source, target): (Site, Site) = ("a".parse()?, "b".parse()?);
    let authority = Authority::init(&directory, "throughput")?;
    let mut identities = Vec::new();
    for site in [&source, &target] {
        let issued = authority.issue(site)?;
        let files = Files {
            ca: directory.join("ca.pem"),
            certificate: issued.certificate,
            key: issued.key,
            revoked: directory.join("revoked.pem"),
        };
        identities.push(Identity::load(site.clone(), files)?);
    }
    let (address, listening) = std::sync::mpsc::channel::<SocketAddr>();
    let (mut writers, mut readers) = (Vec::new(), Vec::new());
    let (mut sources, mut targets) = (Vec::new(), Vec::new());
    for _ in 0..streams {
        let (hypervisor, agent) = UnixStream::pair()?;
        agent.set_nonblocking(true)?;
        writers.push(hypervisor);
        sources.push(agent);
        let (hypervisor, agent) = UnixStream::pair()?;
        agent.set_nonblocking(true)?;
        readers.push(hypervisor);
        targets.push(agent);
    }
    let [at_source, at_target] = identities
        .try_into()
        .map_err(|_| anyhow::anyhow!("two sites"))?;

    let begun = thread::scope(|scope| -> anyhow::Result<Instant> {
        let receiving = scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let listener = Listener::bind(&["[::1]:0".parse()?], &at_target, [source])?;
                address.send(listener.addresses()[0])?;
                let connection = listener.accept().await?;
                relay(targets, connection, None).await
            })
        });
        let sending = scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let connection = channel::connect(listening.recv()?, &target, &at_source).await?;
                let opening = Opening {
                    relocation: RelocationId::random()?,
                    stream: Stream::Memory,
                };
                relay(sources, connection, Some(opening)).await
            })
        });
        let begun = Instant::now();
        for mut writer in writers {
            scope.spawn(move || -> anyhow::Result<()> {
                let octets = vec![7; MIB];
                for _ in 0..mib / streams {
                    writer.write_all(&octets)?;
                }
                Ok(writer.shutdown(std::net::Shutdown::Write)?)
            });
        }
        for mut reader in readers {
            scope.spawn(move || -> anyhow::Result<()> {
                let mut octets = vec![0; MIB];
                while reader.read(&mut octets)? > 0 {}
                Ok(())
            });
        }
        for side in [receiving, sending] {
            side.join()
                .map_err(|_| anyhow::anyhow!("a site has panicked"))??;
        }
        Ok(begun)
    })?;
    std::fs::remove_dir_all(&directory)?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Relays between the sockets and copy streams, which the side that knows an opening opens.
async fn relay(
    sockets: Vec<UnixStream>,
    connection: Connection,
    opening: Option<Opening>,
) -> anyhow::Result<()> {
    let mut copies = tokio::task::JoinSet::new();
    for socket in sockets {
        let socket = tokio::net::UnixStream::from_std(socket)?;
        let copy = match &opening {
            Some(opening) => connection.open(opening.clone()).await?,
            None => connection.accept().await?,
        };
        copies.spawn(async move { Relay::default().join(socket, copy).await });
    }
    while let Some(copy) = copies.join_next().await {
        copy??;
    }
    Ok(())
}
