//! The work at the source: describing and copying.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ilnp_core::relocation::Prepare;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::job::{CopyDone, Described, Ended};
use super::plan::{Mode, MoveOrder};
use super::port::Port;
use super::{Shared, hypervisors};
use crate::channel::{Connection, Counters, Limiter, Opening, Relay, RelayError, RelocationId};
use crate::config;
use crate::hypervisor::{Assistance, Description, HypervisorError, Plan, Progress, Source, Stream};
use crate::qemu::possession::Examination;
use crate::report::{Phase, Recorder};

/// How many messages about the progress wait to be told.
const BACKLOG: usize = 16;
/// How long the hypervisor may take to notice that a connection of its own broke. It may be through
/// with it: a disk's connection ends while the rest of the guest is still copied.
const NOTICE: Duration = Duration::from_secs(5);
/// How long a relay may take to say why the hypervisor's connection broke.
const AFTERMATH: Duration = Duration::from_millis(200);
/// What an operator's abort is called.
pub(super) const ABORTED: &str = "it was aborted";

/// Why a guest is not told in advance.
pub(super) const NO_PORT: &str = "it has no port to its daemon";
pub(super) const NO_NETWORK: &str =
    "the other site has no [network] in its configuration, which says what the guest will find";

/// A guest is not told in advance that must be.
pub(super) fn cannot_be_told(reason: &str) -> String {
    format!("the guest cannot be told in advance: {reason}")
}

/// Finds out what the guest is, and dials the other site.
pub(super) async fn describe(
    shared: Arc<Shared>,
    guest: config::Guest,
    order: MoveOrder,
    cancel: CancellationToken,
) -> Ended {
    Ended::Described(tokio::select! {
        described = find_out(&shared, &guest, &order) => described.map(Box::new),
        () = cancel.cancelled() => Err(ABORTED.to_owned()),
    })
}

/// What a move begins with; nothing is changed by it.
pub(super) async fn find_out(
    shared: &Shared,
    guest: &config::Guest,
    order: &MoveOrder,
) -> Result<Described, String> {
    // Both take a while and neither needs the other.
    let (found, connection) = tokio::join!(
        async {
            let mut source = hypervisors::source(guest).await?;
            let description = source.describe().await?;
            let bases = source.bases().await?;
            let (disks, run_dir) = (&description.disks, &shared.config().run_dir);
            let examination = Examination::draw(disks, order.storage, &bases, run_dir).await?;
            Ok::<_, HypervisorError>((source, description, examination))
        },
        shared.connect(&order.to),
    );
    let (source, description, examination) = found.map_err(|error| error.to_string())?;
    Ok(Described {
        source,
        description,
        examination,
        connection: connection?,
    })
}

/// A copy that is to be made.
pub(super) struct Copy {
    pub(super) relocation: RelocationId,
    pub(super) source: Box<dyn Source>,
    pub(super) plan: Plan,
    pub(super) connection: Connection,
    pub(super) sockets: Sockets,
    pub(super) recorder: Recorder,
    /// The daemon in the guest, if it is to be told.
    pub(super) told: Telling,
}

/// What the daemon in the guest is told, and by whom.
pub(super) struct Telling {
    /// The way to it.
    pub(super) port: Option<Port>,
    /// Whether it must, may or must not be told.
    pub(super) mode: Mode,
    /// What it is told.
    pub(super) prepare: Option<Prepare>,
}

impl Telling {
    /// Prepares the guest. Returns why it does not know, if that is so.
    async fn prepare(&self) -> Result<Option<String>, String> {
        let reason = match (&self.port, &self.prepare) {
            _ if self.mode == Mode::Hard => "the operator asked for a hard move".to_owned(),
            (None, _) => NO_PORT.to_owned(),
            (_, None) => NO_NETWORK.to_owned(),
            (Some(port), Some(prepare)) => match port.prepare(prepare.clone()).await {
                Ok(_) => return Ok(None),
                Err(error) => error.to_string(),
            },
        };
        match self.mode {
            Mode::Soft => Err(cannot_be_told(&reason)),
            Mode::IfPossible | Mode::Hard => {
                tracing::info!("the guest is not told in advance: {reason}");
                Ok(Some(reason))
            }
        }
    }

    /// The guest stops in a moment.
    async fn switch(&self) {
        if let (Some(port), Some(prepare)) = (&self.port, &self.prepare)
            && let Err(error) = port.switch(prepare.epoch).await
        {
            tracing::warn!("{error}");
        }
    }
}

/// Where the hypervisor connects to, for each stream.
#[derive(Debug)]
pub(super) struct Sockets(BTreeMap<Stream, PathBuf>);

impl Sockets {
    /// One for each stream that the guest may need.
    pub(super) fn new(shared: &Shared, description: &Description) -> Self {
        let disks = description
            .disks
            .iter()
            .map(|disk| Stream::Disk(disk.id.clone()));
        let streams = [Stream::Memory, Stream::Control].into_iter().chain(disks);
        let path = |number| shared.stream_socket(&description.name, number);
        Self(
            streams
                .enumerate()
                .map(|(number, stream)| (stream, path(number)))
                .collect(),
        )
    }

    fn listen(&self) -> io::Result<Vec<(Stream, UnixListener)>> {
        self.0
            .iter()
            .map(|(stream, path)| {
                remove(path)?;
                Ok((stream.clone(), UnixListener::bind(path)?))
            })
            .collect()
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for path in self.0.values() {
            // The next copy does it otherwise.
            let _ = remove(path);
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies the guest.
pub(super) async fn copy(mut copy: Copy, cancel: CancellationToken) -> Ended {
    let result = tokio::select! {
        result = run(&mut copy) => result,
        () = cancel.cancelled() => Err(ABORTED.to_owned()),
    };
    Ended::Copied(copy.source, result)
}

async fn run(copy: &mut Copy) -> Result<CopyDone, String> {
    let counters = Counters::default();
    if let Err(error) = copy.connection.pace(copy.plan.bandwidth) {
        tracing::warn!(%error, "the copy keeps to its rate, but in bursts");
    }
    let relay = Relay::new(Limiter::new(copy.plan.bandwidth), counters.clone());
    let mut relays = JoinSet::new();
    let listeners = copy
        .sockets
        .listen()
        .map_err(|error| format!("cannot listen for the hypervisor's streams: {error}"))?;
    for (stream, listener) in listeners {
        let opening = Opening {
            relocation: copy.relocation,
            stream,
        };
        let (relay, connection) = (relay.clone(), copy.connection.clone());
        relays.spawn(async move { relay.serve(&listener, &connection, &opening).await });
    }
    let unprepared = copy.told.prepare().await?;
    let soft = unprepared.is_none();
    copy.recorder.told_in_advance(unprepared);
    let helper = Helper {
        sockets: &copy.sockets,
        recorder: &copy.recorder,
        told: Some(&copy.told).filter(|_| soft),
    };
    let (progress, mut told) = mpsc::channel(BACKLOG);
    let work = copy.source.copy(&copy.plan, &helper, &progress);
    tokio::pin!(work);
    let mut broken: Option<(Instant, String)> = None;
    let result = loop {
        let given_up = broken.as_ref().map(|(until, _)| *until);
        tokio::select! {
            result = &mut work => break result.map_err(|error| error.to_string()),
            Some(progress) = told.recv() => helper.show(progress),
            Some(ended) = relays.join_next(), if given_up.is_none() => {
                broken = Some((Instant::now() + NOTICE, why(ended)));
            }
            () = sleep_until(given_up.unwrap_or_else(Instant::now)), if given_up.is_some() => {
                break Err("the copy does not end".to_owned());
            }
        }
    };
    let sent = counters.snapshot().iter().map(|count| count.sent).sum();
    copy.recorder.sent(sent);
    match result {
        Ok(copied) => Ok(CopyDone { copied, relays }),
        // The hypervisor saw a connection break; the relay may know more.
        Err(error) => Err(match broken {
            Some((_, why)) => format!("{error} ({why})"),
            None => match timeout(AFTERMATH, relays.join_next()).await {
                Ok(Some(ended)) => format!("{error} ({})", why(ended)),
                _ => error,
            },
        }),
    }
}

fn why(ended: Result<RelayError, tokio::task::JoinError>) -> String {
    match ended {
        Ok(error) => error.to_string(),
        Err(error) => error.to_string(),
    }
}

/// What this agent lends to a copy.
struct Helper<'a> {
    sockets: &'a Sockets,
    recorder: &'a Recorder,
    /// The guest, if it knows.
    told: Option<&'a Telling>,
}

impl Helper<'_> {
    fn show(&self, progress: Progress) {
        // It is said by the guest's stop itself, without the way through the queue.
        if progress != Progress::Stopped {
            self.recorder.progress(progress);
        }
    }
}

#[async_trait]
impl Assistance for Helper<'_> {
    fn socket(&self, stream: &Stream) -> PathBuf {
        // Every stream of the description is there.
        self.sockets.0.get(stream).cloned().unwrap_or_default()
    }

    async fn about_to_stop(&self) {
        if let Some(told) = self.told {
            told.switch().await;
        }
    }

    async fn stopped(&self) {
        self.recorder.phase(Phase::Stop);
    }
}
