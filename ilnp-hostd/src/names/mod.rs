//! Names: this host's own, and those that its applications look up.
//!
//! ```text
//! Driver: Node ──> Wishes ─┬─> publisher ──> primary servers (RFC 2136)
//!      ^                   └─> lost ───────> name servers, past all caches
//!      │                        │
//!      └──────── Learner <──────┴─────────── stub resolver <── applications
//! ```
//!
//! | part | what it does |
//! |---|---|
//! | `wishes` | takes what the node wants of DNS |
//! | `publisher` | keeps this host's records what they should be |
//! | `lost` | looks up correspondents that cannot be reached |
//! | `learner` | tells the node what names say |
//! | `memory` | keeps the names of sessions for the daemon that takes these over |
//! | `stub` | has the stub resolver put in front of the applications, and taken away |
//! | `view` | what the API shows of all this, and asks of it |
//! | [`install`] | how a stub resolver is put in front of applications |
//!
//! Everything here only translates: `ilnp_dns` knows DNS, and the node knows whom to believe.

pub mod install;
mod learner;
mod lost;
mod memory;
mod publisher;
mod stub;
mod text;
mod view;
mod wishes;

use ilnp_dns::publish::Publication;
use tokio::sync::mpsc;

use crate::driver::Request;
use learner::Learner;
pub use memory::{SessionNames, recall};
pub use publisher::{Publisher, load};
pub use stub::Resolving;
pub use text::{name_of, text_of};
pub use view::NamesView;
pub(crate) use view::Verdict;
pub use wishes::{Wished, Wishes};

/// Everything that has to do with names, at work.
#[derive(Debug)]
pub struct Names {
    view: NamesView,
    stub: Option<stub::Working>,
}

impl Names {
    /// Publishes this host and answers its applications, as far as that is configured.
    pub async fn start(
        publisher: Publisher,
        publication: Option<Publication>,
        resolving: Option<Resolving>,
        wished: Wished,
        requests: mpsc::Sender<Request>,
    ) -> Self {
        publisher.publish(publication);
        let learner = Learner::new(requests.clone(), wished.attached.clone());
        let mut names = Self {
            view: NamesView {
                publisher: Some(publisher),
                shown: None,
            },
            stub: None,
        };
        if let Some(resolving) = resolving {
            let (shown, working) = resolving.start(learner, wished, requests).await;
            names.view.shown = Some(shown);
            names.stub = Some(working);
        }
        names
    }

    /// What the API shows of it.
    pub fn view(&self) -> NamesView {
        self.view.clone()
    }

    /// Takes the stub resolver away from the applications and stops. What was published stays.
    pub async fn stop(self) {
        if let Some(stub) = self.stub {
            stub.stop().await;
        }
    }
}
