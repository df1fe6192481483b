//! Sends what [`super::primary`] decides: a task for each primary.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::primary::{Primary, Step};
use super::problem::Problem;
use super::records::{Publication, Whereabouts};
use super::status::{Status, Trying};
use crate::exchange::{ExchangeError, Way, exchange, exchange_signed, fresh_id};
use crate::message::Message;

/// How long an update that is under way may keep a newer one waiting for its answer. Two that are
/// under way at once may arrive in either order, and what the older one says would stay until the
/// newer one is sent again.
const GRACE: Duration = Duration::from_millis(250);

/// Publishes what `wanted` has, and each change of it, at every primary, and keeps `status` true.
/// While it has nothing, nothing is sent, and what was published stays. Ends when the sender of `wanted` is gone; what was published stays.
pub async fn run(
    publication: Publication,
    wanted: watch::Receiver<Option<Whereabouts>>,
    status: watch::Sender<Status>,
) {
    let publication = Arc::new(publication);
    let status = Arc::new(status);
    let mut tasks = JoinSet::new();
    for (index, &server) in publication.primaries.iter().enumerate() {
        let task = Task {
            primary: Primary::new(Arc::clone(&publication), seed()),
            publication: Arc::clone(&publication),
            server,
            index,
            status: Arc::clone(&status),
        };
        tasks.spawn(task.run(wanted.clone()));
    }
    while tasks.join_next().await.is_some() {}
}

fn seed() -> u64 {
    let mut seed = [0; 8];
    // Without it the hosts of a site would only keep in step.
    let _filled = SystemRandom::new().fill(&mut seed);
    u64::from_be_bytes(seed)
}

/// One primary.
struct Task {
    publication: Arc<Publication>,
    primary: Primary,
    server: SocketAddr,
    /// Its place in the status.
    index: usize,
    status: Arc<watch::Sender<Status>>,
}

impl Task {
    async fn run(mut self, mut wanted: watch::Receiver<Option<Whereabouts>>) {
        loop {
            let step = self.primary.next(Instant::now());
            let grace = match step {
                Step::Update(..) => GRACE,
                Step::Query(..) | Step::Wait(_) => Duration::ZERO,
            };
            let way = self.way();
            let news = news(&mut wanted, self.primary.wanted().cloned(), grace);
            tokio::select! {
                host = news => match host {
                    // What is under way is given up for it.
                    Ok(Some(host)) => self.primary.want(host, Instant::now()),
                    Ok(None) => self.primary.want_nothing(),
                    Err(_sender_gone) => return,
                },
                answer = perform(&self.publication, way, step) => {
                    if let Some(answer) = answer {
                        self.take(answer);
                    }
                }
            }
            self.tell();
        }
    }

    /// The first try goes from the address that it tells of. A host that has just moved has the
    /// old one, too, and until that is deprecated the kernel may choose it, to which no answer comes any more.
    fn way(&self) -> Way {
        let first = self.primary.trying().filter(|trying| trying.failures == 0);
        let host = first.and_then(|_| self.primary.wanted());
        Way {
            server: self.server,
            from: host.and_then(Whereabouts::address).filter(is_here),
        }
    }

    fn take(&mut self, answer: Result<Message, Problem>) {
        let before = self.primary.trying().cloned();
        self.primary.answered(answer, Instant::now());
        let (name, server) = (&self.publication.name, self.server);
        match (before, self.primary.trying()) {
            (Some(_), None) => {
                let host = self.primary.wanted();
                let locators = host.map_or(0, |host| host.locators().count());
                info!(%name, %server, locators, "published");
            }
            // Once for each kind of problem, however long it lasts.
            (before, Some(trying)) if before.as_ref().and_then(kind) != kind(trying) => {
                if let Some(problem) = &trying.problem {
                    warn!(%name, %server, "not published yet: {problem}");
                }
            }
            _ => {}
        }
    }

    /// Brings the status up to date.
    fn tell(&self) {
        self.status.send_modify(|status| {
            if let Some(own) = status.primaries.get_mut(self.index) {
                own.zone = self.primary.zone().cloned();
                own.confirmed = self.primary.confirmed().cloned();
                own.trying = self.primary.trying().cloned();
            }
        });
    }
}

/// Whether an address is of this host, and may be sent from.
fn is_here(address: &Ipv6Addr) -> bool {
    UdpSocket::bind((*address, 0)).is_ok()
}

/// What is wanted, `grace` after it became something else than `before`.
async fn news(
    wanted: &mut watch::Receiver<Option<Whereabouts>>,
    before: Option<Whereabouts>,
    grace: Duration,
) -> Result<Option<Whereabouts>, watch::error::RecvError> {
    wanted.wait_for(|host| *host != before).await?;
    // The shortest sleep would last until all others have had their turn.
    if !grace.is_zero() {
        tokio::time::sleep(grace).await;
    }
    Ok(wanted.borrow_and_update().clone())
}

/// What kind of problem the last try met.
fn kind(trying: &Trying) -> Option<&'static str> {
    trying.problem.as_ref().map(Problem::kind)
}

/// Does a step. The answer, unless it was to wait.
async fn perform(
    publication: &Publication,
    way: Way,
    step: Step,
) -> Option<Result<Message, Problem>> {
    let answer = match step {
        Step::Query(query, patience) => query_once(way.server, query, patience).await,
        Step::Update(update, patience) => {
            exchange_signed(way, &update, &publication.key, patience).await
        }
        Step::Wait(Some(until)) => {
            tokio::time::sleep_until(until.into()).await;
            return None;
        }
        Step::Wait(None) => std::future::pending().await,
    };
    Some(answer.map_err(|error| Problem::of_exchange(&publication.name, error)))
}

async fn query_once(
    server: SocketAddr,
    query: Message,
    patience: Duration,
) -> Result<Message, ExchangeError> {
    let query = Message {
        id: fresh_id(),
        ..query
    };
    let wire = query.to_wire(usize::from(u16::MAX));
    let answer = exchange(server, &wire, patience).await?;
    Message::from_wire(&answer).map_err(|source| ExchangeError::Malformed { server, source })
}

#[cfg(test)]
mod tests {
    use ilnp_core::id::Preference;

    use super::*;

    fn at(locator: &str) -> Option<Whereabouts> {
        let nid = "0214:4fff:fe20:ee64".parse().unwrap();
        let locator = (locator.parse().unwrap(), Preference(10));
        Some(Whereabouts::new(nid, [locator]))
    }

    #[tokio::test]
    async fn the_newest_follows_once_the_one_under_way_had_its_time() {
        let before = at("2001:db8:a::/64");
        let (sender, mut wanted) = watch::channel(before.clone());
        let begun = Instant::now();
        let changes = async {
            sender.send_replace(at("2001:db8:b::/64"));
            tokio::task::yield_now().await;
            sender.send_replace(at("2001:db8:c::/64"));
        };
        let (said, ()) = tokio::join!(news(&mut wanted, before, GRACE), changes);
        assert_eq!(said.unwrap(), at("2001:db8:c::/64"));
        assert!(begun.elapsed() >= GRACE);
    }

    #[tokio::test]
    async fn nothing_is_waited_for_while_nothing_is_under_way() {
        let (sender, mut wanted) = watch::channel(None);
        sender.send_replace(at("2001:db8:a::/64"));
        let said = news(&mut wanted, None, Duration::ZERO);
        assert_eq!(said.await.unwrap(), at("2001:db8:a::/64"));
        drop(sender);
        let gone = news(&mut wanted, at("2001:db8:a::/64"), GRACE);
        assert!(gone.await.is_err());
    }
}
