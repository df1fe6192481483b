//! Tells the node what names say, and asks it whom handles stand for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ilnp_core::id::{Handle, Lifetime};
use ilnp_core::node::{RemoteLocator, Resolved};
use ilnp_dns::resolve::Found;
use ilnp_dns::stub::{Correspondents, Known, Learnt};
use tokio::sync::{mpsc, oneshot};

use super::text::text_of;
use crate::driver::Request;

/// The way to the task that owns the node.
#[derive(Clone, Debug)]
pub(super) struct Learner {
    requests: mpsc::Sender<Request>,
    attached: Arc<AtomicBool>,
}

impl Learner {
    /// Asks with these requests; `attached` tells whether this host has a Locator.
    pub(super) fn new(requests: mpsc::Sender<Request>, attached: Arc<AtomicBool>) -> Self {
        Self { requests, attached }
    }
}

impl Correspondents for Learner {
    fn attached(&self) -> bool {
        self.attached.load(Ordering::Relaxed)
    }

    async fn learn(&self, found: Found) -> Learnt {
        let (answer, answered) = oneshot::channel();
        let request = Request::Learn(resolved(&found), answer);
        // A daemon that stops knows nobody any more.
        if self.requests.send(request).await.is_err() {
            return Learnt::Classic;
        }
        match answered.await {
            Ok(Some(handle)) => Learnt::Handle(handle),
            Ok(None) | Err(_) => Learnt::Classic,
        }
    }

    async fn known(&self, handle: Handle) -> Option<Known> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .send(Request::Known(handle, answer))
            .await
            .ok()?;
        answered.await.ok()?
    }
}

fn resolved(found: &Found) -> Resolved {
    let locators = found.locators.iter().map(|found| RemoteLocator {
        locator: found.locator,
        preference: found.preference,
        lifetime: Lifetime::from_secs_clamped(found.ttl.into()),
    });
    Resolved {
        name: Some(text_of(&found.name)),
        configured: false,
        nid: found.nid,
        locators: locators.collect(),
    }
}
