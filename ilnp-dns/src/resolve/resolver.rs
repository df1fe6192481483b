//! Asks name servers for what a [look-up](super) needs.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use ilnp_core::time::Instant;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Records;
use super::answer::{Answer, Query};
use super::cache::Cache;
use super::lookup::{Ask, Lookup};
use super::upstreams::{UpstreamStatus, Upstreams};
use crate::exchange::Transport;
use crate::message::{Edns, Message, Opcode, Question};
use crate::name::Name;
use crate::raw;
use crate::record::{Class, RecordType};

/// A look-up ends after this, with what is known then.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// For how long the classic answer waits for the ILNP records.
const GRACE: Duration = Duration::from_millis(300);
/// The same where they have not been answered for a while: some networks drop unknown types.
const SHORT_GRACE: Duration = Duration::from_millis(20);
/// How many look-ups in a row without any ILNP answer make the grace short.
const SILENCES: u32 = 3;
/// How many look-ups run at a time.
const MAX_RUNNING: usize = 1024;
/// What own queries offer to take over UDP (RFC 9715 §3).
const UDP_PAYLOAD: u16 = 1232;

/// ILNP-aware resolution through upstream name servers. Clones share everything.
#[derive(Clone, Debug)]
pub struct Resolver {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstreams: Upstreams,
    clock: fn() -> Instant,
    cache: Mutex<Cache>,
    running: Mutex<HashMap<Name, Progress>>,
    /// How many look-ups in a row had no answer about ILNP at all.
    silences: AtomicU32,
}

/// A look-up that runs, or has run; all queries for the same name wait for the same one.
#[derive(Clone, Debug)]
pub(crate) struct Progress(watch::Receiver<Step>);

/// How far a look-up is.
#[derive(Debug)]
struct Step {
    records: Records,
    done: bool,
}

impl Progress {
    /// What is known when the look-up ends.
    pub(crate) async fn done(&mut self) -> Records {
        // Without a sender there will be no more than there is.
        let _ = self.0.wait_for(|step| step.done).await;
        self.so_far()
    }

    /// What is known by now.
    pub(crate) fn so_far(&self) -> Records {
        self.0.borrow().records.clone()
    }
}

impl Resolver {
    /// A resolver that asks these name servers, the first one first. `clock` tells the time
    /// (`CLOCK_BOOTTIME`, so that nothing outlives its TTL in a paused machine).
    pub fn new(upstreams: Vec<SocketAddr>, clock: fn() -> Instant) -> Self {
        Self {
            shared: Arc::new(Shared {
                upstreams: Upstreams::new(upstreams),
                clock,
                cache: Mutex::default(),
                running: Mutex::default(),
                silences: AtomicU32::new(0),
            }),
        }
    }

    /// Asks other name servers from now on, and forgets what the former ones said.
    pub fn set_upstreams(&self, upstreams: Vec<SocketAddr>) {
        self.shared.upstreams.set(upstreams);
        self.shared.silences.store(0, Ordering::Relaxed);
        self.cache().clear();
    }

    /// The name servers, and whether they answer.
    pub fn upstreams(&self) -> Vec<UpstreamStatus> {
        self.shared.upstreams.status()
    }

    /// Finds out what DNS holds for a name, AAAA included. Takes 5 s at most.
    pub async fn resolve(&self, name: &Name) -> Records {
        let mut lookup = Lookup::new(name.clone(), &[RecordType::AAAA]);
        let all = drive(&mut lookup, |ask| self.answer(ask), |_| {});
        // What is not answered by then is told as unanswered.
        let _ = timeout(LIMIT, all).await;
        lookup.records()
    }

    /// Passes a query on, and its reply back, octet by octet; `None` when no server replies.
    pub(crate) async fn pass(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        self.shared.upstreams.ask(query, transport).await
    }

    /// Begins to look a name up, or joins a look-up that runs already.
    pub(crate) fn begin(&self, name: &Name) -> Progress {
        if let Some(records) = self.cached(name) {
            let done = Step {
                records,
                done: true,
            };
            return Progress(watch::channel(done).1);
        }
        let mut running = lock(&self.shared.running);
        let full = running.len() >= MAX_RUNNING;
        let place = match running.entry(name.clone()) {
            Entry::Occupied(entry) => return entry.get().clone(),
            Entry::Vacant(place) => place,
        };
        let lookup = Lookup::new(name.clone(), &[]);
        let (sender, receiver) = watch::channel(Step {
            records: lookup.records(),
            done: full,
        });
        let progress = Progress(receiver);
        if !full {
            place.insert(progress.clone());
            tokio::spawn(self.clone().run(lookup, sender));
        }
        progress
    }

    /// What became of a look-up, waited for no longer than the grace, once the classic answer is
    /// there. A look-up that takes longer goes on, for those who ask next.
    pub(crate) async fn settle(&self, mut progress: Progress) -> Records {
        let silent = self.shared.silences.load(Ordering::Relaxed) >= SILENCES;
        let grace = if silent { SHORT_GRACE } else { GRACE };
        let late = timeout(grace, progress.done()).await.is_err();
        let records = progress.so_far();
        if late && records.answered_nothing() {
            self.shared.silences.fetch_add(1, Ordering::Relaxed);
        }
        records
    }

    /// Brings a look-up to its end, and tells those who wait how far it is.
    async fn run(self, mut lookup: Lookup, sender: watch::Sender<Step>) {
        let name = lookup.records().name;
        let tell = |lookup: &Lookup, done| {
            let records = lookup.records();
            sender.send_replace(Step { records, done });
        };
        let all = drive(
            &mut lookup,
            |ask| self.answer(ask),
            |lookup| tell(lookup, false),
        );
        let _ = timeout(LIMIT, all).await;
        lock(&self.shared.running).remove(&name);
        if !lookup.records().answered_nothing() {
            self.shared.silences.store(0, Ordering::Relaxed);
        }
        tell(&lookup, true);
    }

    /// The records of a name that are all in the cache.
    fn cached(&self, name: &Name) -> Option<Records> {
        let now = (self.shared.clock)();
        let cache = self.cache();
        let mut lookup = Lookup::new(name.clone(), &[]);
        while let Some(ask) = lookup.poll_query() {
            let answer = cache.get(now, &ask.query).filter(|_| !ask.again)?;
            lookup.handle_answer(&ask, answer);
        }
        Some(lookup.records())
    }

    /// The answer to one question of a look-up, from the cache or the upstreams.
    async fn answer(&self, ask: Ask) -> (Ask, Answer) {
        let now = (self.shared.clock)();
        let known = self.cache().get(now, &ask.query).filter(|_| !ask.again);
        let answer = match known {
            Some(answer) => answer,
            None => self.ask_upstreams(&ask.query).await,
        };
        (ask, answer)
    }

    /// Asks the upstreams, whatever the cache says, and tells it.
    pub(super) async fn ask_upstreams(&self, query: &Query) -> Answer {
        let reply = self.query(query).await;
        let answer = reply.map_or(Answer::Failed, |reply| Answer::read(&reply, query));
        self.remember(query, &answer);
        answer
    }

    /// Tells the cache.
    pub(super) fn remember(&self, query: &Query, answer: &Answer) {
        if *answer != Answer::Failed {
            let now = (self.shared.clock)();
            self.cache().insert(now, query.clone(), answer.clone());
        }
    }

    /// What the upstreams reply, by TCP where UDP is too short.
    pub(crate) async fn query(&self, query: &Query) -> Option<Message> {
        let octets = request(query, true);
        let mut reply = self.pass(&octets, Transport::Udp).await?;
        if raw::is_truncated(&reply) {
            reply = self.pass(&octets, Transport::Tcp).await?;
        }
        Message::from_wire(&reply).ok()
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        lock(&self.shared.cache)
    }
}

/// Asks everything that a look-up needs to know, in parallel. `step` sees it after each answer.
pub(super) async fn drive<F: Future<Output = (Ask, Answer)>>(
    lookup: &mut Lookup,
    ask: impl Fn(Ask) -> F,
    step: impl Fn(&Lookup),
) {
    let mut asked = FuturesUnordered::new();
    loop {
        while let Some(question) = lookup.poll_query() {
            asked.push(ask(question));
        }
        let Some((question, answer)) = asked.next().await else {
            return;
        };
        lookup.handle_answer(&question, answer);
        step(lookup);
    }
}

/// A query on the wire.
pub(super) fn request(query: &Query, recursion_desired: bool) -> Vec<u8> {
    let message = Message {
        recursion_desired,
        questions: vec![Question {
            name: query.name.clone(),
            rtype: query.rtype,
            class: Class::IN,
        }],
        edns: Some(Edns {
            version: 0,
            udp_payload: UDP_PAYLOAD,
            dnssec_ok: false,
        }),
        ..Message::request(0, Opcode::QUERY)
    };
    message.to_wire(usize::from(UDP_PAYLOAD))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
