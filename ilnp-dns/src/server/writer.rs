//! The one thread that changes zones: updates that wait together are one commit.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::answer::Update;
use super::store::{Commit, Progress, Store, StoreError, Stored};
use super::zones::ZoneData;
use crate::message::Rcode;
use crate::name::Name;
use crate::zone::{Change, Zone};

/// How many updates may wait; more are answered with SERVFAIL.
const WAITING: usize = 4096;
/// How many updates share a commit at most.
const BATCH: usize = 512;
/// How long a database that failed is left alone.
const REST: Duration = Duration::from_secs(1);

/// Sends the answer of an update.
pub(super) type Reply = Box<dyn FnOnce(Box<Update>, Rcode) + Send>;

enum Command {
    Update(Box<Update>, Reply),
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
        let store = Store::open(&path)?;
        let (commands, incoming) = mpsc::channel(WAITING);
        let work = Work {
            store: Some(store),
            path,
            failed: None,
            zones: HashMap::new(),
        };
        let thread = thread::Builder::new().name("writer".to_owned());
        let thread = thread.spawn(move || work.run(incoming))?;
        Ok((Self { commands }, thread))
    }

    /// Hands in an update; `reply` is called when it is on disk, or refused.
    pub(super) fn update(&self, update: Box<Update>, reply: Reply) {
        let command = Command::Update(update, reply);
        if let Err(error) = self.commands.try_send(command)
            && let Command::Update(update, reply) = error.into_inner()
        {
            tracing::warn!("refused an update: {WAITING} others wait for the disk");
            reply(update, Rcode::SERVFAIL);
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

struct Work {
    /// `None` after a failure, until it can be opened again.
    store: Option<Store>,
    path: PathBuf,
    /// When the database failed last.
    failed: Option<Instant>,
    zones: HashMap<Name, Open>,
}

struct Open {
    data: Arc<ZoneData>,
    progress: Progress,
}

/// What a batch does to one zone.
struct Draft {
    zone: Zone,
    changes: Vec<Change>,
}

impl Work {
    fn run(mut self, mut incoming: mpsc::Receiver<Command>) {
        while let Some(command) = incoming.blocking_recv() {
            let mut updates = Vec::new();
            let mut next = Some(command);
            while let Some(Command::Update(update, reply)) = next {
                updates.push((update, reply));
                next = match updates.len() < BATCH {
                    true => incoming.try_recv().ok(),
                    false => None,
                };
            }
            self.update(updates);
            match next {
                Some(Command::Open(origin, source, done)) => {
                    // Who asked may have stopped waiting.
                    let _ = done.send(self.open(origin, source));
                }
                Some(Command::Stop) => return,
                Some(Command::Update(..)) | None => {}
            }
        }
    }

    /// Does updates, writes what they changed, and only then lets it be seen and answers.
    fn update(&mut self, updates: Vec<(Box<Update>, Reply)>) {
        if updates.is_empty() {
            return;
        }
        let mut drafts = HashMap::new();
        let rcodes: Vec<_> = match self.usable_store() {
            true => (updates.iter())
                .map(|(update, _)| draft(&mut drafts, update))
                .collect(),
            false => vec![Rcode::SERVFAIL; updates.len()],
        };
        let written = self.commit(drafts);
        for ((update, reply), rcode) in updates.into_iter().zip(rcodes) {
            reply(update, if written { rcode } else { Rcode::SERVFAIL });
        }
    }

    /// Writes and publishes. Whether it was written.
    fn commit(&mut self, mut drafts: HashMap<Name, Draft>) -> bool {
        drafts.retain(|_, draft| !draft.changes.is_empty());
        let mut commits = Vec::new();
        for (name, open) in &mut self.zones {
            if let Some(draft) = drafts.get(name) {
                commits.push(Commit {
                    zone: &draft.zone,
                    changes: &draft.changes,
                    progress: &mut open.progress,
                });
            }
        }
        let written = match &self.store {
            Some(store) => store.commit(&mut commits),
            None => return drafts.is_empty(),
        };
        if let Err(error) = written {
            self.fail(&error);
            return false;
        }
        for (name, draft) in drafts {
            if let Some(open) = self.zones.get(&name) {
                open.data.publish(draft.zone, draft.changes);
            }
        }
        true
    }

    fn open(&mut self, origin: Name, source: Box<Source>) -> anyhow::Result<Arc<ZoneData>> {
        if let Some(open) = self.zones.get(&origin) {
            return Ok(Arc::clone(&open.data));
        }
        let Some(store) = self.usable_store().then_some(self.store.as_ref()).flatten() else {
            anyhow::bail!("the database {} cannot be opened", self.path.display());
        };
        let stored = match store.load(&origin)? {
            Some(stored) => stored,
            None => {
                let zone = source()?;
                Stored {
                    progress: store.create(&zone)?,
                    zone,
                    history: Vec::new(),
                }
            }
        };
        let data = Arc::new(ZoneData::new(stored.zone, stored.history));
        let open = Open {
            data: Arc::clone(&data),
            progress: stored.progress,
        };
        self.zones.insert(origin, open);
        Ok(data)
    }

    /// Closes a database that failed: what it can still do is unknown.
    fn fail(&mut self, error: &StoreError) {
        tracing::error!("updates are refused, queries are answered: {error}");
        self.store = None;
        self.failed = Some(Instant::now());
    }

    /// Whether there is a database; one that failed is opened again after a while.
    fn usable_store(&mut self) -> bool {
        if self.store.is_some() {
            return true;
        }
        if self.failed.is_some_and(|since| since.elapsed() < REST) {
            return false;
        }
        match Store::open(&self.path).and_then(|store| self.catch_up(store)) {
            Ok(()) => {
                tracing::info!("the database works again, updates are done");
                true
            }
            Err(error) => {
                self.fail(&error);
                false
            }
        }
    }

    /// Takes the zones from a database that was opened again: a commit that failed may have
    /// reached the disk all the same.
    fn catch_up(&mut self, store: Store) -> Result<(), StoreError> {
        for (name, open) in &mut self.zones {
            let Some(stored) = store.load(name)? else {
                open.progress = store.create(&open.data.snapshot())?;
                continue;
            };
            open.progress = stored.progress;
            if stored.zone.serial() != open.data.snapshot().serial() {
                open.data.replace(stored.zone, stored.history);
            }
        }
        self.store = Some(store);
        Ok(())
    }
}

/// Does an update to the draft of its zone; what is answered once the draft is on disk.
fn draft(drafts: &mut HashMap<Name, Draft>, update: &Update) -> Rcode {
    let data = &update.zone.data;
    let draft = drafts.entry(data.origin.clone()).or_insert_with(|| Draft {
        zone: data.snapshot().as_ref().clone(),
        changes: Vec::new(),
    });
    let done = draft
        .zone
        .update(&update.message, &update.zone.grants, update.key.as_ref());
    match done {
        Ok((zone, change)) => {
            if !change.is_empty() {
                draft.zone = zone;
                draft.changes.push(change);
            }
            Rcode::NOERROR
        }
        Err(error) => {
            tracing::info!(zone = %data.origin, "refused an update: {error}");
            error.rcode()
        }
    }
}
