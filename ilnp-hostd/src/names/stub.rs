//! The stub resolver: bound while this process may, put in front of the applications while it
//! answers, and taken away before it stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ilnp_core::id::HandlePrefix;
use ilnp_dns::publish::Whereabouts;
use ilnp_dns::resolve::Resolver;
use ilnp_dns::stub::{self, BindError, Stub};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

use super::install::{Installation, Settings, Tended, Watch};
use super::learner::Learner;
use super::wishes::Wished;
use super::{lost, memory};
use crate::clock;
use crate::config::Config;
use crate::driver::Request;
use ilnp_service::explain::explain;

/// How often it is seen to that applications still come here: other programs write
/// `/etc/resolv.conf` too.
const TENDED_EVERY: Duration = Duration::from_secs(5);

/// A stub resolver that has its sockets.
#[derive(Debug)]
pub struct Resolving {
    stub: Stub,
    handles: HandlePrefix,
    upstreams: Option<Vec<SocketAddr>>,
    settings: Settings,
}

/// How the stub resolver stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Installed {
    /// What was found and done last.
    pub tended: Option<Tended>,
    /// Why that did not work.
    pub error: Option<String>,
}

/// What the API needs of a stub resolver that works.
#[derive(Clone)]
pub(super) struct Shown {
    pub handles: HandlePrefix,
    pub listen: Vec<SocketAddr>,
    pub resolver: Resolver,
    pub learner: Learner,
    pub installed: watch::Receiver<Installed>,
}

/// A stub resolver that works, until it is stopped. Dropped, it stops at once, and applications are
/// still sent to it.
#[derive(Debug)]
pub(super) struct Working {
    stop: oneshot::Sender<()>,
    tending: JoinHandle<()>,
    _tasks: JoinSet<()>,
}

impl Resolving {
    /// Takes the sockets of `[resolver]`, if there is one: port 53 takes a right that the daemon
    /// gives up.
    ///
    /// # Errors
    /// [`BindError`] when an address cannot be listened on.
    pub async fn bind(config: &Config) -> Result<Option<Self>, BindError> {
        let Some(resolver) = &config.resolver else {
            return Ok(None);
        };
        let stub = Stub::bind(stub::Config {
            listen: resolver.listen.clone(),
            handle_prefix: config.handle_prefix,
            ipv4: resolver.ipv4,
        });
        let stub = stub.await?;
        Ok(Some(Self {
            settings: Settings {
                install: resolver.install,
                listen: stub.addresses(),
                interface: config.interface_name.clone(),
                state_dir: config.state_dir.clone(),
            },
            stub,
            handles: config.handle_prefix,
            upstreams: resolver.upstreams.clone(),
        }))
    }

    /// Answers applications, and looks up correspondents that are lost.
    pub(super) async fn start(
        self,
        learner: Learner,
        wished: Wished,
        requests: mpsc::Sender<Request>,
    ) -> (Shown, Working) {
        let given = self.upstreams.clone();
        let resolver = Resolver::new(given.clone().unwrap_or_default(), clock::now);
        let (shown, installed) = watch::channel(Installed::default());
        let mut tasks = JoinSet::new();
        let correspondents = Arc::new(learner.clone());
        tasks.spawn(self.stub.run(resolver.clone(), correspondents));
        let look_ups = wished.look_ups;
        tasks.spawn(lost::look_up(look_ups, resolver.clone(), learner.clone()));
        tasks.spawn(memory::keep(self.settings.state_dir.clone(), requests));
        let (stop, stopped) = oneshot::channel();
        let tending = Tending {
            upstreams_given: given.is_some(),
            resolver: resolver.clone(),
            shown,
            moved: wished.whereabouts,
            stopped,
        };
        let shown = Shown {
            handles: self.handles,
            listen: self.settings.listen.clone(),
            resolver,
            learner,
            installed,
        };
        let working = Working {
            stop,
            tending: tokio::spawn(tending.run(self.settings)),
            _tasks: tasks,
        };
        (shown, working)
    }
}

impl Working {
    /// Takes the stub resolver away from the applications, then stops it.
    pub(super) async fn stop(self) {
        // The task may have ended by itself, which it said then.
        let _ = self.stop.send(());
        let _ = self.tending.await;
    }
}

/// Sees to it that applications come to the stub resolver.
struct Tending {
    /// Whether the configuration says whom to ask.
    upstreams_given: bool,
    resolver: Resolver,
    shown: watch::Sender<Installed>,
    moved: watch::Receiver<Option<Whereabouts>>,
    stopped: oneshot::Receiver<()>,
}

impl Tending {
    async fn run(mut self, settings: Settings) {
        let begun = spawn_blocking(move || Installation::new(settings)).await;
        let mut installation = match begun {
            Ok(Ok(installation)) => installation,
            Ok(Err(error)) => return self.failed(explain(&error.into())),
            Err(error) => return self.failed(explain(&error.into())),
        };
        let watch = Watch::new();
        loop {
            let tended = spawn_blocking(move || {
                let tended = installation.tend(Instant::now());
                (installation, tended)
            });
            let Ok((back, tended)) = tended.await else {
                tracing::error!("the stub resolver is not looked after any more");
                return;
            };
            installation = back;
            match tended {
                Ok(tended) => self.tended(tended),
                Err(error) => self.failed(explain(&error.into())),
            }
            tokio::select! {
                _ = &mut self.stopped => break,
                Ok(()) = self.moved.changed() => {}
                () = watch.changed() => {}
                () = tokio::time::sleep(TENDED_EVERY) => {}
            }
        }
        match spawn_blocking(move || installation.undo()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(
                error = explain(&error.into()),
                "applications are still sent to the stub resolver: run `ilnp-hostd --cleanup`"
            ),
            Err(_) => tracing::error!("the stub resolver was not taken away"),
        }
    }

    fn tended(&self, tended: Tended) {
        let before = self.shown.borrow().tended.clone();
        if before.as_ref() == Some(&tended) && self.shown.borrow().error.is_none() {
            return;
        }
        let upstreams = |tended: &Tended| tended.upstreams.clone();
        if !self.upstreams_given && before.as_ref().map(upstreams) != Some(upstreams(&tended)) {
            self.resolver.set_upstreams(tended.upstreams.clone());
            if tended.upstreams.is_empty() {
                tracing::warn!(
                    "this host names no other name server: set `upstreams` in [resolver]"
                );
            }
        }
        if before.as_ref().map(|before| before.way) != Some(tended.way)
            && let Some(way) = tended.way
        {
            tracing::info!(
                way = way.name(),
                "applications are answered by the stub resolver"
            );
        }
        if !tended.bypassed.is_empty() {
            tracing::warn!(
                domains = tended.bypassed.join(", "),
                "names in these domains do not come to the stub resolver: set install = \"resolv.conf\""
            );
        }
        self.shown.send_replace(Installed {
            tended: Some(tended),
            error: None,
        });
    }

    fn failed(&self, error: String) {
        if self.shown.borrow().error.as_ref() != Some(&error) {
            tracing::error!(error, "applications are not answered by the stub resolver");
        }
        self.shown.send_modify(|shown| shown.error = Some(error));
    }
}
