//! The daemon from start to stop.

use std::path::Path;

use anyhow::{Context as _, bail};
use ilnp_core::id::Nid;
use ilnp_core::node::{self, Node};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{broadcast, mpsc};

use crate::api::socket::{self, ControlSocket};
use crate::api::{self, Api, monitor};
use crate::attachment::{self, Attachments, Settings};
use crate::config::Config;
use crate::datapath::{DataPath, DataPathConfig};
use crate::driver::{About, Driver, Engine, KernelHost, Sources};
use crate::explain::explain;
use crate::identity::{self, Fingerprint, Origin};
use crate::record::Recorder;
use crate::{capabilities, clock};

/// How many requests of the API wait for their turn.
const REQUESTS: usize = 64;

/// `--check`: reads the configuration.
///
/// # Errors
/// Every mistake in it.
pub fn check(path: &Path) -> anyhow::Result<()> {
    Config::load(path)?;
    Ok(())
}

/// `--cleanup`: removes what an earlier run left.
///
/// # Errors
/// When a daemon runs, or something cannot be removed.
pub fn clean_up(path: &Path) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    capabilities::require()?;
    socket::remove_stale(&config.control_socket)?;
    // The identifier is made up when there is none: its handle goes with the interface.
    let nid = own_nid(&config)?;
    runtime()?.block_on(undo(&config, nid))
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps the daemon from starting or going on. What it did until then is undone.
pub fn run(path: &Path, record: Option<&Path>) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    capabilities::require()?;
    let nid = own_nid(&config)?;
    // Before there is a second thread: capabilities belong to threads.
    capabilities::keep_needed_only()?;
    runtime()?.block_on(serve(path, config, nid, record))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// The configured identifier, or the one that is kept.
fn own_nid(config: &Config) -> anyhow::Result<Nid> {
    if let Some(nid) = config.nid {
        return Ok(nid);
    }
    let machine = Fingerprint::of_this_machine();
    let (nid, origin) = identity::load_or_make(&config.state_dir, &machine)?;
    match origin {
        Origin::Kept => {}
        Origin::Made => tracing::info!("this node has an identity now"),
        Origin::MadeForClone => tracing::warn!(
            "the stored identity belongs to the machine that this one was cloned from: made a new one"
        ),
    }
    Ok(nid)
}

/// Starts every part, lets them work until a signal says stop, and undoes what they did.
async fn serve(path: &Path, config: Config, nid: Nid, record: Option<&Path>) -> anyhow::Result<()> {
    let started = clock::now();
    let socket = ControlSocket::bind(&config.control_socket)?;
    let node_config = node_config(&config, nid);
    let seed = seed()?;
    let recorder = match record {
        None => None,
        Some(file) => Some(
            Recorder::create(file, &node_config, seed)
                .with_context(|| format!("cannot record to {}", file.display()))?,
        ),
    };
    let reports = broadcast::Sender::new(monitor::BACKLOG);
    let (requests, incoming) = mpsc::channel(REQUESTS);
    let about = About {
        nid,
        handles: config.handle_prefix,
        interface: config.interface_name.clone(),
        started,
    };
    let engine = Engine::new(
        Node::new(node_config, seed),
        about,
        reports.clone(),
        recorder,
    );
    let sources = Sources {
        requests: incoming,
        reloads: reloads(path)?,
    };
    tokio::select! {
        done = work(&config, nid, engine, sources) => done,
        done = api::serve(socket, Api { requests, reports }) => done.context("the API failed"),
    }
}

/// Works until a signal says stop, and undoes then what was done to the host.
///
/// A daemon that fails while it works leaves everything in place, as one that is killed does:
/// sessions go on, and the next daemon takes them over.
async fn work(config: &Config, nid: Nid, engine: Engine, sources: Sources) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let mut driver = set_up(config, nid, engine, sources).await?;
    tokio::select! {
        ended = driver.run() => return ended,
        () = stop.wait() => {}
    }
    let stopped = driver.stop().await;
    DataPath::cleanup(&data_path_config(config, nid))?;
    stopped
}

/// Sets the data path and the attachment up. When that fails, what was not there before is removed.
async fn set_up(
    config: &Config,
    nid: Nid,
    engine: Engine,
    sources: Sources,
) -> anyhow::Result<Driver> {
    let (data_path, tun, restored) = DataPath::open(&data_path_config(config, nid))?;
    let taken_over = !restored.is_empty();
    let driver = async move {
        let attachments = Attachments::start(attachment_settings(config, nid)).await?;
        let host = KernelHost::new(data_path, tun, attachments);
        Driver::new(engine, host, sources, config.clone(), restored)
    }
    .await;
    if driver.is_err()
        && !taken_over
        && let Err(error) = undo(config, nid).await
    {
        tracing::error!(
            error = explain(&error),
            "something is left behind: run `ilnp-hostd --cleanup`"
        );
    }
    driver
}

/// Removes everything that a daemon with this configuration puts into the kernel.
async fn undo(config: &Config, nid: Nid) -> anyhow::Result<()> {
    // What can be removed is removed, whatever else fails.
    let attachment = attachment::clean_up(&attachment_settings(config, nid)).await;
    DataPath::cleanup(&data_path_config(config, nid))?;
    Ok(attachment?)
}

fn node_config(config: &Config, nid: Nid) -> node::Config {
    node::Config {
        handle_prefix: config.handle_prefix,
        nonce_length: config.nonce_length,
        ..node::Config::new(nid)
    }
}

fn data_path_config(config: &Config, nid: Nid) -> DataPathConfig {
    DataPathConfig {
        interface_name: config.interface_name.clone(),
        pin_dir: config.pin_dir.clone(),
        nid,
        handle_prefix: config.handle_prefix,
    }
}

fn attachment_settings(config: &Config, nid: Nid) -> Settings {
    Settings {
        nid,
        handle_prefix: config.handle_prefix,
        nonce_length: config.nonce_length,
        interfaces: config.interfaces.clone(),
        ilnp_interface: config.interface_name.clone(),
        state_dir: config.state_dir.clone(),
    }
}

fn seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    match SystemRandom::new().fill(&mut seed) {
        Ok(()) => Ok(seed),
        Err(_) => bail!("the kernel gives no random bits"),
    }
}

/// The signals that stop the daemon.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        tracing::info!("stopping");
    }
}

/// The configuration as it is reread with every SIGHUP; one with mistakes is logged and left out.
fn reloads(path: &Path) -> anyhow::Result<mpsc::Receiver<Config>> {
    let mut hangups = signal(SignalKind::hangup()).context("cannot listen to signals")?;
    let (configs, incoming) = mpsc::channel(1);
    let path = path.to_owned();
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            match Config::load(&path) {
                Ok(config) => {
                    if configs.send(config).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let error = explain(&error.into());
                    tracing::error!("the configuration stays as it was:\n{error}");
                }
            }
        }
    });
    Ok(incoming)
}
