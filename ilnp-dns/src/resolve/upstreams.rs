//! The name servers that queries are passed to, and which of them answer.

use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, timeout_at};

use crate::exchange::{Transport, pass_on};
use crate::message::Rcode;

/// When a query is sent again, or to the next server, counted from the first try.
const AGAIN: [Duration; 3] = [
    Duration::from_millis(400),
    PROBED,
    Duration::from_millis(1700),
];
/// When a server that has not answered is asked whether it works at all.
const PROBED: Duration = Duration::from_millis(1000);
/// When it is given up, unless a server is known to be at work.
const GIVEN_UP: Duration = Duration::from_millis(2000);
/// When it is given up in any case: applications ask again after 5 s.
const AT_LAST: Duration = Duration::from_millis(4500);
/// For how long a server that did not answer comes after those that do.
const AVOIDED: Duration = Duration::from_secs(30);

/// A query for the NS records of the root, which a resolver has at hand.
static ROOT_SERVERS: [u8; 17] = *b"\0\0\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01";

/// How an upstream name server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamStatus {
    /// Its address and port.
    pub server: SocketAddr,
    /// Whether it answered the latest query that it was sent; `None` before the first.
    pub answers: Option<bool>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    servers: RwLock<Arc<[Upstream]>>,
}

#[derive(Debug)]
struct Upstream {
    server: SocketAddr,
    health: Mutex<Health>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    answered: Option<Instant>,
    /// Since when it has not answered.
    silent: Option<Instant>,
}

impl Upstreams {
    pub(crate) fn new(servers: Vec<SocketAddr>) -> Self {
        let upstreams = Self::default();
        upstreams.set(servers);
        upstreams
    }

    /// Replaces the list. What is known of servers that stay in it is kept.
    pub(crate) fn set(&self, servers: Vec<SocketAddr>) {
        let mut list = self.servers.write().unwrap_or_else(PoisonError::into_inner);
        let health = |server| {
            let known = list.iter().find(|upstream| upstream.server == server);
            known.map(Upstream::health).unwrap_or_default()
        };
        let upstream = |server| Upstream {
            server,
            health: Mutex::new(health(server)),
        };
        let next = servers.into_iter().map(upstream).collect();
        *list = next;
    }

    pub(crate) fn status(&self) -> Vec<UpstreamStatus> {
        let status = |upstream: &Upstream| {
            let health = upstream.health();
            let answers = match health {
                Health {
                    silent: Some(_), ..
                } => Some(false),
                Health {
                    answered: Some(_), ..
                } => Some(true),
                _ => None,
            };
            UpstreamStatus {
                server: upstream.server,
                answers,
            }
        };
        self.list().iter().map(status).collect()
    }

    /// Puts a query to the servers: to the next one at once when one refuses or cannot be reached,
    /// and after a while when one is silent. Late replies count. Without any answer, the first
    /// refusal is returned; `None` when there was not even that.
    pub(crate) async fn ask(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let list = self.list();
        let start = Instant::now();
        let order = in_order(&list, start);
        let mut tries = Tries::new(&order, query, transport);
        let mut again = AGAIN.iter().map(|&after| start + after);
        let mut next = again.next();
        let mut end = start + GIVEN_UP;
        tries.begin_next();
        loop {
            let pause = next.unwrap_or(end).min(end);
            let Ok(ended) = timeout_at(pause, tries.ended()).await else {
                let silent = order.iter().filter(|one| !one.has_answered_since(start));
                if pause < end {
                    if pause == start + PROBED {
                        tries.probe();
                    }
                    tries.begin_next();
                    next = again.next();
                } else if end < start + AT_LAST && silent.clone().count() < order.len() {
                    end = start + AT_LAST;
                } else {
                    silent.for_each(|one| one.note(false));
                    return tries.refusal;
                }
                continue;
            };
            match ended {
                Some(answer) => return Some(answer),
                None if tries.begin_untried() => {}
                None if tries.running.is_empty() => return tries.refusal,
                None => {}
            }
        }
    }

    fn list(&self) -> Arc<[Upstream]> {
        let list = self.servers.read();
        Arc::clone(&list.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Upstream {
    fn health(&self) -> Health {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, answers: bool) {
        let now = Instant::now();
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if answers {
            health.answered = Some(now);
            health.silent = None;
        } else {
            health.silent = Some(now);
        }
    }

    /// Whether it answered anything since then, so that its silence is work on an answer.
    fn has_answered_since(&self, then: Instant) -> bool {
        let answered = self.health().answered;
        answered.is_some_and(|answered| then <= answered)
    }
}

/// Servers that are silent come last, for a while. Otherwise the order is as configured.
fn in_order(list: &[Upstream], now: Instant) -> Vec<&Upstream> {
    let mut order: Vec<_> = list.iter().collect();
    let avoided = |upstream: &&Upstream| {
        let silent = upstream.health().silent;
        silent.is_some_and(|since| now.duration_since(since) < AVOIDED)
    };
    order.sort_by_key(avoided);
    order
}

/// A try or a probe that came to its end.
struct Ended {
    /// Which server, by its place.
    index: usize,
    is_probe: bool,
    result: io::Result<Vec<u8>>,
}

/// The tries of one query.
struct Tries<'a> {
    order: &'a [&'a Upstream],
    query: &'a [u8],
    transport: Transport,
    /// How many were begun.
    begun: usize,
    running: FuturesUnordered<BoxFuture<'a, Ended>>,
    /// The first reply of a server that could not say.
    refusal: Option<Vec<u8>>,
    start: Instant,
}

impl<'a> Tries<'a> {
    fn new(order: &'a [&'a Upstream], query: &'a [u8], transport: Transport) -> Self {
        Self {
            order,
            query,
            transport,
            begun: 0,
            running: FuturesUnordered::new(),
            refusal: None,
            start: Instant::now(),
        }
    }

    /// Asks a server that was not asked yet.
    fn begin_untried(&mut self) -> bool {
        let untried = self.begun < self.order.len();
        if untried {
            self.begin_next();
        }
        untried
    }

    /// Asks the next server, or the first one again after the last.
    fn begin_next(&mut self) {
        let Some(index) = self.begun.checked_rem(self.order.len()) else {
            return;
        };
        self.begun += 1;
        self.run(index, self.query, self.transport, false);
    }

    /// Asks the servers for what every one of them knows.
    fn probe(&self) {
        for index in 0..self.order.len() {
            self.run(index, &ROOT_SERVERS, Transport::Udp, true);
        }
    }

    fn run(&self, index: usize, query: &'a [u8], transport: Transport, is_probe: bool) {
        let server = self.order[index].server;
        let exchange = async move {
            Ended {
                index,
                is_probe,
                result: pass_on(server, query, transport).await,
            }
        };
        self.running.push(exchange.boxed());
    }

    /// Waits for the end of a try: `Some` answer, or `None` for a failure, or when none is running.
    async fn ended(&mut self) -> Option<Vec<u8>> {
        let Ended {
            index,
            is_probe,
            result,
        } = self.running.next().await?;
        let reply = match result {
            Ok(reply) => reply,
            Err(error) => {
                let server = self.order[index].server;
                tracing::debug!(%server, %error, "a name server cannot be reached");
                self.order[index].note(false);
                return None;
            }
        };
        self.order[index].note(true);
        if is_probe {
            return None;
        }
        if is_refusal(&reply) {
            self.refusal.get_or_insert(reply);
            return None;
        }
        // Whoever was asked earlier has been silent.
        let earlier = self.order.iter().take(index);
        let waiting = earlier.filter(|one| !one.has_answered_since(self.start));
        waiting.for_each(|one| one.note(false));
        Some(reply)
    }
}

/// Whether a server did not answer, but said that it cannot.
fn is_refusal(reply: &[u8]) -> bool {
    let rcode = reply.get(3).map(|flags| Rcode(u16::from(flags & 0xf)));
    !matches!(rcode, Some(Rcode::NOERROR | Rcode::NXDOMAIN))
}
