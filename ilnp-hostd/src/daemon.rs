//! The daemon from start to stop.

use std::path::Path;

use anyhow::{Context as _, bail};
use ilnp_core::id::Nid;
use ilnp_core::node::{self, Node};
use ilnp_dns::publish::Publication;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, mpsc};
use tokio_util::task::AbortOnDropHandle;

use crate::api::{self, Api, monitor};
use crate::attachment::{self, Attachments, Settings};
use crate::clone::{self, Custodian, Guard, Questions};
use crate::config::Config;
use crate::datapath::{DataPath, DataPathConfig};
use crate::driver::{About, Driver, Engine, KernelHost, Sources};
use crate::identity::{self, Fingerprint, Origin};
use crate::kernel::Generation;
use crate::names::{self, Names, Publisher, Resolving, Wishes, install};
use crate::record::Recorder;
use crate::relocation::{self, Relocation};
use crate::{capabilities, clock};
use ilnp_service::control_socket::{self, ControlSocket};
use ilnp_service::explain::explain;
use ilnp_service::stop::Stop;

/// How many requests of the API wait for their turn.
const REQUESTS: usize = 64;

/// `--check`: reads the configuration.
///
/// # Errors
/// Every mistake in it.
pub fn check(path: &Path) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    names::load(config.dns.as_ref())?;
    Ok(())
}

/// `--cleanup`: removes what an earlier run left.
///
/// # Errors
/// When a daemon runs, or something cannot be removed.
pub fn clean_up(path: &Path) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    capabilities::require()?;
    control_socket::remove_stale(&config.control_socket)?;
    // The identifier is made up when there is none: its handle goes with the interface.
    let nid = own_nid(&config)?;
    let resolver = install::clean_up(&config.state_dir);
    runtime()?.block_on(undo(&config, nid))?;
    Ok(resolver?)
}

/// `--forget-identity`: the next start makes a new identifier, if none is configured. What an
/// earlier run left belongs to the old one and is removed.
///
/// # Errors
/// When a daemon runs, or something cannot be removed.
pub fn forget_identity(path: &Path) -> anyhow::Result<()> {
    clean_up(path)?;
    let config = Config::load(path)?;
    identity::forget(&config.state_dir)?;
    Ok(clone::forget(&config.state_dir)?)
}

/// Runs until SIGTERM or SIGINT, or until the identifier is given up.
///
/// # Errors
/// What keeps the daemon from starting or going on. What it did until then is undone.
pub fn run(path: &Path, record: Option<&Path>) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    let publication = names::load(config.dns.as_ref())?;
    capabilities::require()?;
    let nid = own_nid(&config)?;
    let runtime = runtime()?;
    // Port 53 takes a right that goes.
    let resolving = runtime.block_on(Resolving::bind(&config))?;
    // Before there is a second thread: capabilities belong to threads.
    capabilities::keep_needed_only()?;
    let start = Start {
        config,
        nid,
        publication,
        resolving,
    };
    runtime.block_on(serve(path, start, record))
}

/// What there is before the daemon gives up its rights.
struct Start {
    config: Config,
    nid: Nid,
    publication: Option<Publication>,
    resolving: Option<Resolving>,
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // The driver, which is not a task, has its turn after each task: what one tells it of a move
        // would otherwise wait for up to 61 others.
        .event_interval(1)
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
async fn serve(path: &Path, start: Start, record: Option<&Path>) -> anyhow::Result<()> {
    let Start {
        config,
        nid,
        publication,
        resolving,
    } = start;
    let mut stop = Stop::new()?;
    let socket = ControlSocket::bind(&config.control_socket)?;
    // Whatever becomes of this run: nobody answers where a killed one sent the applications.
    if let Err(error) = install::clean_up(&config.state_dir) {
        tracing::error!(
            error = explain(&error.into()),
            "applications may still be sent to a stub resolver that is gone"
        );
    }
    let reports = broadcast::Sender::new(monitor::BACKLOG);
    let mut engine = engine(&config, nid, reports.clone(), record)?;
    let (telling, tidings) = mpsc::channel(relocation::TIDINGS);
    engine.tell_of_moves(telling);
    let (requests, incoming) = mpsc::channel(REQUESTS);
    let (wishes, wished) = Wishes::new(nid);
    let publisher = Publisher::new(wished.whereabouts.clone());
    let sources = Sources {
        requests: incoming,
        reloads: reloads(path, publisher.clone())?,
    };
    let generation = Generation::of_this_machine();
    let machine = Fingerprint::of_this_machine();
    let guard = Guard::open(&config.state_dir, nid, &machine, generation)?;
    let (custodian, questions) = Custodian::new();
    let parts = Parts {
        engine,
        sources,
        wishes,
        custody: (guard, questions),
    };
    let mut driver = set_up(&config, nid, parts).await?;
    let names = Names::start(
        publisher.clone(),
        publication,
        resolving,
        wished,
        requests.clone(),
    )
    .await;
    let _generation =
        AbortOnDropHandle::new(tokio::spawn(custodian.clone().watch_generation(generation)));
    let _relocation = Relocation::start(relocation::Settings {
        port: config.relocation_port.clone(),
        nid,
        custodian: custodian.clone(),
        planner: driver.planner(),
        requests: requests.clone(),
        tidings,
        publisher,
    });
    let api = Api {
        requests,
        reports,
        names: names.view(),
        custodian,
    };
    let ended = tokio::select! {
        ended = driver.run() => ended,
        ended = api::serve(socket, api) => ended.context("the API failed"),
        () = stop.wait() => Ok(()),
    };
    // Whatever the reason: nobody answers applications now.
    names.stop().await;
    // As one that is killed, a daemon that failed leaves the rest in place: sessions go on, and the
    // next daemon takes them over.
    ended?;
    let stopped = driver.stop().await;
    DataPath::cleanup(&data_path_config(&config, nid))?;
    stopped
}

/// The node, with those who listen to it.
fn engine(
    config: &Config,
    nid: Nid,
    reports: broadcast::Sender<monitor::Report>,
    record: Option<&Path>,
) -> anyhow::Result<Engine> {
    let about = About {
        nid,
        handles: config.handle_prefix,
        interface: config.interface_name.clone(),
        started: clock::now(),
    };
    let node_config = node_config(config, nid);
    let seed = seed()?;
    let recorder = match record {
        None => None,
        Some(file) => Some(
            Recorder::create(file, &node_config, seed)
                .with_context(|| format!("cannot record to {}", file.display()))?,
        ),
    };
    let node = Node::new(node_config, seed);
    Ok(Engine::new(node, about, reports, recorder))
}

/// What a driver is made of, beside the kernel.
struct Parts {
    engine: Engine,
    sources: Sources,
    wishes: Wishes,
    custody: (Guard, Questions),
}

/// Sets the data path and the attachment up. When that fails, what was not there before is removed.
async fn set_up(config: &Config, nid: Nid, parts: Parts) -> anyhow::Result<Driver> {
    let (data_path, tun, mut restored) = DataPath::open(&data_path_config(config, nid))?;
    let taken_over = !restored.is_empty();
    names::recall(&config.state_dir, &mut restored);
    let driver = async move {
        let (guard, _) = &parts.custody;
        let attachments = Attachments::start(Settings {
            fenced: guard.custody().fenced().is_some(),
            ..attachment_settings(config, nid)
        });
        let host = KernelHost::new(
            data_path,
            tun,
            attachments.await?,
            config.handle_prefix,
            parts.wishes,
        );
        let config = config.clone();
        Driver::new(
            parts.engine,
            host,
            parts.custody,
            parts.sources,
            config,
            restored,
        )
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
        fenced: false,
    }
}

fn seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    match SystemRandom::new().fill(&mut seed) {
        Ok(()) => Ok(seed),
        Err(_) => bail!("the kernel gives no random bits"),
    }
}

/// The configuration as it is reread with every SIGHUP; one with mistakes is logged and left out.
///
/// What it says of publishing goes to the publisher, with the key as it is now.
fn reloads(path: &Path, publisher: Publisher) -> anyhow::Result<mpsc::Receiver<Config>> {
    let mut hangups = signal(SignalKind::hangup()).context("cannot listen to signals")?;
    let (configs, incoming) = mpsc::channel(1);
    let path = path.to_owned();
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            match reload(&path) {
                Ok((config, publication)) => {
                    publisher.publish(publication);
                    if configs.send(config).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let error = explain(&error);
                    tracing::error!("the configuration stays as it was:\n{error}");
                }
            }
        }
    });
    Ok(incoming)
}

fn reload(path: &Path) -> anyhow::Result<(Config, Option<Publication>)> {
    let config = Config::load(path)?;
    let publication = names::load(config.dns.as_ref())?;
    Ok((config, publication))
}
