//! Starts, reloads and stops the server.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use super::answer::Answerer;
use super::config::{Config, ZoneConfig};
use super::notify;
use super::transport::{tcp, udp};
use super::writer::Writer;
use super::zones::{Served, Serving};
use crate::key::TsigKey;
use crate::name::Name;
use crate::record::Class;
use crate::zone::{Extras, Grants, Zone, file};
use ilnp_service::mistake::{FileError, Mistake, Position};

/// The database within the state directory.
const DATABASE: &str = "zones.redb";
/// What is warned of in one master file at most.
const MAX_ODDITIES: usize = 20;

/// Reads the configuration at `path`, the keys and the master files that it names.
///
/// # Errors
/// Every mistake in them.
pub fn check(path: &Path) -> anyhow::Result<()> {
    for zone in Config::load(path)?.zones {
        read_master_file(&zone)?;
    }
    Ok(())
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start: the configuration, a master file, the database or an address.
pub fn run(path: &Path) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(path, config))
}

async fn serve(path: &Path, config: Config) -> anyhow::Result<()> {
    allow_many_connections();
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let directory = &config.state_dir;
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the state directory {}", directory.display()))?;
    let (writer, thread) = Writer::start(directory.join(DATABASE))?;
    let serving = serving(&config, &writer).await?;
    let mut notifiers = notify::start(&serving);
    let answerer = Arc::new(Answerer::new(serving));
    let addresses = listen(&config, &answerer, &writer).await?;
    tracing::info!(zones = config.zones.len(), listen = ?addresses, "serving");

    while signals.reload_or_stop().await {
        match reload(path, &config, &answerer, &writer).await {
            Ok(started) => notifiers = started,
            Err(error) => tracing::error!("nothing was reloaded: {error:#}"),
        }
    }
    drop(notifiers);
    writer.stop().await;
    tokio::task::spawn_blocking(|| thread.join())
        .await?
        .map_err(|_| anyhow::anyhow!("the writer failed"))
}

/// Raises the limit of file descriptors, which is there for programs that use select().
fn allow_many_connections() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Opens every address, then serves on them; says which ports they got.
async fn listen(
    config: &Config,
    answerer: &Arc<Answerer>,
    writer: &Writer,
) -> anyhow::Result<Vec<SocketAddr>> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut opened = Vec::new();
    for &address in &config.listen {
        let cannot = || format!("cannot listen on {address}");
        let listener = TcpListener::bind(address).await.with_context(cannot)?;
        let address = listener.local_addr().with_context(cannot)?;
        let sockets = udp::bind(address, threads).with_context(cannot)?;
        opened.push((address, listener, sockets));
    }
    let mut addresses = Vec::new();
    for (address, listener, sockets) in opened {
        for socket in sockets {
            udp::serve(socket, Arc::clone(answerer), writer.clone())
                .context("cannot start a thread")?;
        }
        let tcp = tcp::serve(listener, address, Arc::clone(answerer), writer.clone());
        tokio::spawn(tcp);
        addresses.push(address);
    }
    Ok(addresses)
}

/// Rereads the configuration: keys, grants, secondary servers, and zones that are new or gone.
async fn reload(
    path: &Path,
    running: &Config,
    answerer: &Answerer,
    writer: &Writer,
) -> anyhow::Result<JoinSet<()>> {
    let config = Config::load(path)?;
    if config.listen != running.listen || config.state_dir != running.state_dir {
        tracing::warn!("listen and state-dir change at the next restart");
    }
    let serving = serving(&config, writer).await?;
    let notifiers = notify::start(&serving);
    answerer.serving.store(Arc::new(serving));
    tracing::info!(zones = config.zones.len(), "reloaded");
    Ok(notifiers)
}

async fn serving(config: &Config, writer: &Writer) -> anyhow::Result<Serving> {
    let mut serving = Serving {
        extras: match config.aaaa_additional {
            true => Extras::WithAddresses,
            false => Extras::IlnpTypes,
        },
        ..Serving::default()
    };
    for key in &config.keys {
        serving.keys.insert(key.name().clone(), Arc::clone(key));
    }
    for zone in &config.zones {
        let served = open(zone, &config.keys, writer).await?;
        serving.zones.insert(zone.name.clone(), Arc::new(served));
    }
    Ok(serving)
}

/// A zone out of the database, or for the first time out of its master file.
async fn open(zone: &ZoneConfig, keys: &[Arc<TsigKey>], writer: &Writer) -> anyhow::Result<Served> {
    let source = {
        let zone = zone.clone();
        move || read_master_file(&zone)
    };
    let find = |name: &Name| keys.iter().find(|key| key.name() == name).map(Arc::clone);
    Ok(Served {
        data: writer.open(zone.name.clone(), source).await?,
        grants: Grants(zone.grants.clone()),
        transfer_key: zone.transfer_key.as_ref().and_then(find),
        notify: zone.notify.clone(),
    })
}

fn read_master_file(zone: &ZoneConfig) -> anyhow::Result<Zone> {
    let read = file::load(&zone.file, &zone.name)?;
    if read.class() != Class::IN {
        let message = format!("the records are of class {}, expected IN", read.class());
        let position = Position { line: 1, column: 1 };
        return Err(FileError::Mistakes {
            path: zone.file.clone(),
            mistakes: vec![Mistake { position, message }],
        }
        .into());
    }
    for oddity in read.oddities().take(MAX_ODDITIES) {
        tracing::warn!("{}: {oddity}", zone.file.display());
    }
    Ok(read)
}

struct Signals {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for a signal: whether it says reload.
    async fn reload_or_stop(&mut self) -> bool {
        tokio::select! {
            _ = self.hang_up.recv() => true,
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
        }
    }
}
