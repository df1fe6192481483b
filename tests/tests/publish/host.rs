//! A host that publishes itself, in a thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ilnp_core::id::Preference;
use ilnp_dns::key::TsigKey;
use ilnp_dns::publish::{Publication, Status, Whereabouts, run};
use tests::name_servers::Key;
use tokio::sync::watch;

use super::HOST;

const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);

/// The host; it stops publishing when this is dropped.
pub(crate) struct Host {
    wanted: Option<watch::Sender<Option<Whereabouts>>>,
    status: watch::Receiver<Status>,
    thread: Option<JoinHandle<()>>,
}

/// What the host publishes, at these primaries, with this key.
pub(crate) fn publication(primaries: &[SocketAddr], key: &Key) -> Publication {
    Publication {
        name: format!("{HOST}.").parse().unwrap(),
        zone: None,
        primaries: primaries.to_vec(),
        key: Arc::new(TsigKey::parse(&key.text()).unwrap()),
        ttl: 5,
        nid_ttl: 3600,
        lp: vec![],
    }
}

/// The host's identifier at these Locators, the first being preferred.
pub(crate) fn at(locators: &[&str]) -> Whereabouts {
    let locators = locators.iter().map(|text| text.parse().unwrap());
    let preferences = (1..).map(|rank| Preference(10 * rank));
    let nid = "0214:4fff:fe20:ee64".parse().unwrap();
    Whereabouts::new(nid, locators.zip(preferences))
}

impl Host {
    pub(crate) fn start(publication: Publication) -> Self {
        let (wanted, news) = watch::channel(None);
        let (told, status) = watch::channel(Status::new(&publication));
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let thread = std::thread::spawn(move || runtime.block_on(run(publication, news, told)));
        Self {
            wanted: Some(wanted),
            status,
            thread: Some(thread),
        }
    }

    pub(crate) fn want(&self, host: Whereabouts) {
        let wanted = self.wanted.as_ref().unwrap();
        wanted.send_replace(Some(host));
    }

    pub(crate) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits for a status.
    #[track_caller]
    pub(crate) fn wait(&self, is: impl Fn(&Status) -> bool) {
        let end = Instant::now() + LIMIT;
        while !is(&self.status()) {
            assert!(Instant::now() < end, "still {:#?}", self.status());
            std::thread::sleep(POLL);
        }
    }

    /// Publishes, and waits until every primary has confirmed.
    #[track_caller]
    pub(crate) fn publish(&self, host: &Whereabouts) {
        self.want(host.clone());
        self.wait(|status| {
            let mut primaries = status.primaries.iter();
            primaries.all(|one| {
                one.confirmed
                    .as_ref()
                    .is_some_and(|done| done.host == *host)
            })
        });
    }

    /// Waits for a problem at the only primary: its kind and its text.
    #[track_caller]
    pub(crate) fn problem(&self) -> (&'static str, String) {
        let problem = |status: &Status| status.primaries[0].trying.clone()?.problem;
        self.wait(|status| problem(status).is_some());
        let problem = problem(&self.status()).unwrap();
        (problem.kind(), problem.to_string())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.wanted.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}
