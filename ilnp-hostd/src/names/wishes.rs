//! What the node wants of DNS, on its way to the tasks that do it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ilnp_core::id::Nid;
use ilnp_core::node::DnsRequest;
use ilnp_dns::publish::Whereabouts;
use tokio::sync::{mpsc, watch};

/// How many look-ups wait. The node asks again for those that find no room.
const LOOK_UPS: usize = 256;

/// Takes what a node wants of DNS. Never waits.
#[derive(Debug)]
pub struct Wishes {
    nid: Nid,
    attached: Arc<AtomicBool>,
    whereabouts: watch::Sender<Option<Whereabouts>>,
    look_ups: mpsc::Sender<String>,
}

/// Where the wishes come out.
#[derive(Debug)]
pub struct Wished {
    /// Whether this host has a Locator to send from.
    pub attached: Arc<AtomicBool>,
    /// What is to be published; the newest counts.
    pub whereabouts: watch::Receiver<Option<Whereabouts>>,
    /// Names to look up past all caches.
    pub look_ups: mpsc::Receiver<String>,
}

impl Wishes {
    /// For a node with this identifier.
    pub fn new(nid: Nid) -> (Self, Wished) {
        let attached = Arc::new(AtomicBool::new(false));
        let (whereabouts, published) = watch::channel(None);
        let (look_ups, incoming) = mpsc::channel(LOOK_UPS);
        let wished = Wished {
            attached: Arc::clone(&attached),
            whereabouts: published,
            look_ups: incoming,
        };
        let wishes = Self {
            nid,
            attached,
            whereabouts,
            look_ups,
        };
        (wishes, wished)
    }

    /// Publishes nothing any more, until there is a wish again. What was published stays: it is not
    /// this host's to change.
    pub fn withhold(&self) {
        self.attached.store(false, Ordering::Relaxed);
        self.whereabouts.send_replace(None);
    }

    /// Passes a wish on.
    pub fn take(&self, request: DnsRequest) {
        match request {
            DnsRequest::Publish(own) => {
                self.attached.store(!own.is_empty(), Ordering::Relaxed);
                if !own.is_empty() {
                    let own = own.iter().map(|own| (own.locator, own.preference));
                    let whereabouts = Whereabouts::new(self.nid, own);
                    self.whereabouts.send_replace(Some(whereabouts));
                }
            }
            DnsRequest::LookUp { name, .. } => {
                // Nobody looks names up without [resolver]; and the node asks again.
                let _ = self.look_ups.try_send(name);
            }
        }
    }
}
