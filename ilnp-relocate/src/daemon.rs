//! The agent from start to stop.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use ilnp_service::control_socket::ControlSocket;
use ilnp_service::explain::explain;
use ilnp_service::stop::Stop;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::api;
use crate::channel::Listener;
use crate::config::Config;
use crate::journal::Journal;
use crate::relocation::{Agent, Shared};
use crate::report::Shelf;
use crate::tls::Identity;

/// `--check`: reads the configuration and the files that it names.
///
/// # Errors
/// Every mistake in it.
pub fn check(path: &Path) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    Identity::load(config.site, config.tls)?;
    Ok(())
}

/// Runs until SIGTERM or SIGINT. Guests go on running.
///
/// # Errors
/// What keeps the agent from starting or going on.
pub async fn run(path: &Path) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    if !nix::unistd::geteuid().is_root() {
        bail!("only root may run the agent: it runs hypervisors");
    }
    let identity = Identity::load(config.site.clone(), config.tls.clone())?;
    let mut stop = Stop::new()?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.run_dir)
        .with_context(|| format!("cannot create {}", config.run_dir.display()))?;
    let journal = Journal::open(&config.state_dir)?;
    let shelf = Shelf::open(&config.state_dir)?;
    let socket = ControlSocket::bind(&config.control_socket)?;
    let peers = config.peers.iter().map(|peer| peer.site.clone());
    let listener = Listener::bind(&config.listen, &identity, peers)?;
    let site = config.site.clone();
    let (configuration, current) = watch::channel(Arc::new(config));
    let shared = Shared::new(current, identity.clone(), journal, shelf);
    let agent = Agent::start(Arc::new(shared))?;
    tracing::info!(%site, "ready");
    let mut hangups = signal(SignalKind::hangup()).context("cannot listen to signals")?;
    let reloading = async {
        while hangups.recv().await.is_some() {
            if let Err(error) = reload(path, &configuration, &identity, &agent).await {
                let error = explain(&error);
                tracing::error!("the configuration stays as it was:\n{error}");
            }
        }
    };
    tokio::select! {
        served = api::serve(socket, agent.clone()) => served.context("the API failed"),
        () = agent.listen(listener) => Ok(()),
        () = reloading => Ok(()),
        () = stop.wait() => Ok(()),
    }
}

/// Reads configuration, certificates and revocation list again.
async fn reload(
    path: &Path,
    configuration: &watch::Sender<Arc<Config>>,
    identity: &Identity,
    agent: &Agent,
) -> anyhow::Result<()> {
    let config = Arc::new(Config::load(path)?);
    let fixed = configuration.borrow().fixed_keys(&config);
    if !fixed.is_empty() {
        bail!(
            "{} cannot be changed while the agent runs: restart it (guests go on)",
            fixed.join(", ")
        );
    }
    identity.reload()?;
    configuration.send_replace(config.clone());
    agent.configure(&config).await;
    tracing::info!("the configuration was read again");
    Ok(())
}
