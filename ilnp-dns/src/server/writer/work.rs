//! Drafts, commits, and what follows when the disk fails.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::replay::{Memory, Seen};
use super::{Job, Source};
use crate::exchange::unix_now;
use crate::message::Rcode;
use crate::name::Name;
use crate::server::answer::{Response, Update};
use crate::server::refusals;
use crate::server::store::{Commit, Progress, Store, StoreError, Stored};
use crate::server::zones::ZoneData;
use crate::zone::{Change, Zone};

/// How long a database that fails again and again is left alone.
const REST: Duration = Duration::from_secs(1);

/// The thread's state.
pub(super) struct Work {
    /// `None` after a failure, until it can be opened again.
    store: Option<Store>,
    path: PathBuf,
    /// When the database failed last.
    failed: Option<Instant>,
    /// Until when it is left alone.
    rest: Option<Instant>,
    zones: HashMap<Name, Open>,
    memory: Memory,
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

/// What becomes of an update.
enum Outcome {
    /// It was done or refused; nothing holds before it is on disk.
    Done(Rcode),
    /// It was answered before.
    Copy(Rcode),
    /// It may have been answered before.
    TooOld,
}

impl Work {
    /// Opens the database at `path`.
    ///
    /// # Errors
    /// When that fails.
    pub(super) fn new(path: PathBuf) -> Result<Self, StoreError> {
        Ok(Self {
            store: Some(Store::open(&path)?),
            path,
            failed: None,
            rest: None,
            zones: HashMap::new(),
            memory: Memory::default(),
        })
    }

    /// Does updates, writes what they changed, and only then lets it be seen and answers.
    pub(super) fn update(&mut self, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let usable = self.usable_store();
        let (mut drafts, mut done) = (HashMap::new(), HashMap::new());
        let outcomes: Vec<_> = (jobs.iter())
            .map(|job| match usable {
                true => self.draft_once(&mut drafts, &mut done, &job.update),
                false => Outcome::Done(Rcode::SERVFAIL),
            })
            .collect();
        let written = self.commit(drafts);
        for (Job { update, reply }, outcome) in jobs.into_iter().zip(outcomes) {
            reply(self.answer(*update, outcome, written && usable));
        }
    }

    /// Does an update to the draft of its zone, unless the same batch has had it: `done` says how
    /// those were answered, by the digests of their octets.
    fn draft_once(
        &self,
        drafts: &mut HashMap<Name, Draft>,
        done: &mut HashMap<u64, Rcode>,
        update: &Update,
    ) -> Outcome {
        let digest = update.fingerprint.map(|update| update.digest);
        if let Some(rcode) = digest.and_then(|digest| done.get(&digest)) {
            return Outcome::Done(*rcode);
        }
        let outcome = self.draft(drafts, update);
        if let (Some(digest), Outcome::Done(rcode)) = (digest, &outcome) {
            done.insert(digest, *rcode);
        }
        outcome
    }

    /// Does an update to the draft of its zone.
    fn draft(&self, drafts: &mut HashMap<Name, Draft>, update: &Update) -> Outcome {
        match self.memory.look_up(update.key.as_ref(), update.fingerprint) {
            Seen::Never => {}
            Seen::Answered(rcode) => return Outcome::Copy(rcode),
            Seen::TooOld => return Outcome::TooOld,
        }
        let data = &update.zone.data;
        let draft = drafts.entry(data.origin.clone()).or_insert_with(|| Draft {
            zone: data.snapshot().as_ref().clone(),
            changes: Vec::new(),
        });
        let grants = &update.zone.grants;
        Outcome::Done(
            match draft
                .zone
                .update(&update.message, grants, update.key.as_ref())
            {
                Ok((zone, change)) => {
                    if !change.is_empty() {
                        draft.zone = zone;
                        draft.changes.push(change);
                    }
                    Rcode::NOERROR
                }
                Err(error) => {
                    refusals::log(
                        update.peer,
                        format_args!("an update of {}: {error}", data.origin),
                    );
                    error.rcode()
                }
            },
        )
    }

    /// The answer to an update, when it is known whether it is on disk.
    fn answer(&mut self, update: Update, outcome: Outcome, written: bool) -> Response {
        match outcome {
            Outcome::Done(rcode) if written => {
                if let (Some(key), Some(fingerprint)) = (&update.key, update.fingerprint) {
                    self.memory.remember(key, fingerprint, rcode, unix_now());
                }
                update.response.with(rcode)
            }
            Outcome::Done(_) => update.response.with(Rcode::SERVFAIL),
            Outcome::Copy(rcode) => update.response.with(rcode),
            Outcome::TooOld => {
                refusals::log(
                    update.peer,
                    format_args!(
                        "an update of {} that is older than others of the same key",
                        update.zone.data.origin
                    ),
                );
                update.response.too_old()
            }
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

    /// Takes a zone out of the database, or out of `source` where the database has none.
    ///
    /// # Errors
    /// When the zone cannot be read or written.
    pub(super) fn open(
        &mut self,
        origin: Name,
        source: Box<Source>,
    ) -> anyhow::Result<Arc<ZoneData>> {
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

    /// Closes a database that failed: what it can still do is unknown. It is opened again for the
    /// next update, unless it failed a moment ago, too.
    fn fail(&mut self, error: &StoreError) {
        tracing::error!("updates are refused, queries are answered: {error}");
        self.store = None;
        let now = Instant::now();
        let again = self.failed.is_some_and(|last| now - last < REST);
        self.rest = again.then_some(now + REST);
        self.failed = Some(now);
    }

    /// Whether there is a database; one that failed is opened again.
    fn usable_store(&mut self) -> bool {
        if self.store.is_some() {
            return true;
        }
        if self.rest.is_some_and(|end| Instant::now() < end) {
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
