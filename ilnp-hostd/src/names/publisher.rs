//! Keeps this host's records at the primary servers what they should be.

use std::sync::Arc;

use ilnp_core::id::Locator;
use ilnp_dns::key::TsigKey;
use ilnp_dns::name::Name;
use ilnp_dns::publish::{self, Publication, Status, Whereabouts};
use ilnp_service::mistake::FileError;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::config::Dns;

/// What `[dns]` asks for, its key included.
///
/// # Errors
/// [`FileError`] when the key cannot be read.
pub fn load(dns: Option<&Dns>) -> Result<Option<Publication>, FileError> {
    let Some(dns) = dns else {
        return Ok(None);
    };
    let key = TsigKey::read(&dns.key_file)?;
    Ok(Some(Publication {
        name: dns.name.clone(),
        zone: dns.zone.clone(),
        primaries: dns.primaries.clone(),
        key: Arc::new(key),
        ttl: dns.ttl,
        nid_ttl: dns.nid_ttl,
        lp: dns.lp.clone(),
    }))
}

/// Publishes this host while there is anybody who holds it. Clones share everything.
#[derive(Clone, Debug)]
pub struct Publisher {
    whereabouts: watch::Receiver<Option<Whereabouts>>,
    running: Arc<watch::Sender<Option<Running>>>,
}

#[derive(Debug)]
struct Running {
    name: Name,
    status: watch::Receiver<Status>,
    _task: AbortOnDropHandle<()>,
}

impl Publisher {
    /// Publishes nothing yet. `whereabouts` says what is to be published.
    pub fn new(whereabouts: watch::Receiver<Option<Whereabouts>>) -> Self {
        Self {
            whereabouts,
            running: Arc::new(watch::Sender::new(None)),
        }
    }

    /// Publishes as this says from now on. What was published before stays where it is.
    pub fn publish(&self, publication: Option<Publication>) {
        let running = publication.map(|publication| {
            let (status, shown) = watch::channel(Status::new(&publication));
            let name = publication.name.clone();
            let task = publish::run(publication, self.whereabouts.clone(), status);
            Running {
                name,
                status: shown,
                _task: AbortOnDropHandle::new(tokio::spawn(task)),
            }
        });
        self.running.send_replace(running);
    }

    /// Waits until every primary server has confirmed that this host is at this Locator. Never
    /// returns while nothing is published.
    pub(crate) async fn confirmed(&self, locator: Locator) {
        let mut running = self.running.subscribe();
        loop {
            let status = running
                .borrow_and_update()
                .as_ref()
                .map(|it| it.status.clone());
            let known = async {
                match status {
                    Some(mut status) => {
                        let known = status.wait_for(|status| is_known(status, locator)).await;
                        known.is_ok()
                    }
                    None => false,
                }
            };
            if known.await {
                return;
            }
            // Published otherwise, or not at all: until the configuration says something else.
            if running.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The name that is published and how that stands; `None` when none is.
    pub(super) fn status(&self) -> Option<(Name, Status)> {
        let running = self.running.borrow();
        let running = running.as_ref()?;
        let status = running.status.borrow().clone();
        Some((running.name.clone(), status))
    }
}

/// Whether every primary has confirmed that a host is at this Locator.
fn is_known(status: &Status, locator: Locator) -> bool {
    !status.primaries.is_empty()
        && status.primaries.iter().all(|primary| {
            primary.trying.is_none()
                && primary
                    .confirmed
                    .as_ref()
                    .is_some_and(|it| it.host.locators().any(|(at, _)| at == locator))
        })
}
