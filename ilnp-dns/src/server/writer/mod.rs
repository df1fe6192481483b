//! The one thread that changes zones: updates that wait together are one commit.

mod replay;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use super::answer::{Response, Update};
use super::zones::ZoneData;
use crate::message::Rcode;
use crate::name::Name;
use crate::zone::Zone;
pub(super) use replay::Fingerprint;
use work::Work;

/// How many updates may wait; more are answered with SERVFAIL.
const WAITING: usize = 4096;
/// How many updates share a commit at most.
const BATCH: usize = 512;

/// Sends the answer to an update.
pub(super) type Reply = Box<dyn FnOnce(Response) + Send>;

/// An update, and who waits for its answer.
struct Job {
    update: Box<Update>,
    reply: Reply,
}

enum Command {
    Update(Job),
    Open(
        Name,
        Box<Source>,
        oneshot::Sender<anyhow::Result<Arc<ZoneData>>>,
    ),
    Stop,
}

/// Makes a zone that the database does not have.
type Source = dyn FnOnce() -> anyhow::Result<Zone> + Send;

/// Where updates are handed in.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    commands: mpsc::Sender<Command>,
}

impl Writer {
    /// Starts the thread on the database at `path`.
    ///
    /// # Errors
    /// When the database cannot be opened, or no thread can be started.
    pub(super) fn start(path: PathBuf) -> anyhow::Result<(Self, JoinHandle<()>)> {
        let work = Work::new(path)?;
        let (commands, incoming) = mpsc::channel(WAITING);
        let thread = thread::Builder::new().name("writer".to_owned());
        let thread = thread.spawn(move || run(work, incoming))?;
        Ok((Self { commands }, thread))
    }

    /// Hands in an update; `reply` is called when it is on disk, or refused.
    pub(super) fn update(&self, update: Box<Update>, reply: Reply) {
        let command = Command::Update(Job { update, reply });
        if let Err(error) = self.commands.try_send(command)
            && let Command::Update(Job { update, reply }) = error.into_inner()
        {
            tracing::debug!("refused an update: {WAITING} others wait for the disk");
            reply(update.response.with(Rcode::SERVFAIL));
        }
    }

    /// Takes a zone out of the database, or out of `source` where the database has none.
    ///
    /// # Errors
    /// When the zone cannot be read or written.
    pub(super) async fn open(
        &self,
        origin: Name,
        source: impl FnOnce() -> anyhow::Result<Zone> + Send + 'static,
    ) -> anyhow::Result<Arc<ZoneData>> {
        let (done, opened) = oneshot::channel();
        let command = Command::Open(origin, Box::new(source), done);
        let stopped = || anyhow::anyhow!("the writer has stopped");
        self.commands.send(command).await.map_err(|_| stopped())?;
        opened.await.map_err(|_| stopped())?
    }

    /// Lets the thread end after what it has.
    pub(super) async fn stop(&self) {
        // A thread that is gone has stopped.
        let _ = self.commands.send(Command::Stop).await;
    }
}

/// Works until it is told to stop.
fn run(mut work: Work, mut incoming: mpsc::Receiver<Command>) {
    while let Some(command) = incoming.blocking_recv() {
        let mut jobs = Vec::new();
        let mut next = Some(command);
        while let Some(Command::Update(job)) = next {
            jobs.push(job);
            next = match jobs.len() < BATCH {
                true => incoming.try_recv().ok(),
                false => None,
            };
        }
        work.update(jobs);
        match next {
            Some(Command::Open(origin, source, done)) => {
                // Who asked may have stopped waiting.
                let _ = done.send(work.open(origin, source));
            }
            Some(Command::Stop) => return,
            Some(Command::Update(_)) | None => {}
        }
    }
}
