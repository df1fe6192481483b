//! Carries relocations out: custody, channel, hypervisors and the guest itself, joined.
//!
//! Every guest has a task of its own (`guest/`) that holds its custody and does one thing at a time;
//! what takes long (copying, loading) is a job beside it, so that it can be aborted. Orders of other
//! sites come over connections, each read by a task; one connection serves one relocation, and
//! whoever still needs an answer dials again.

mod agent;
mod arriving;
mod connections;
mod guest;
mod hypervisors;
mod job;
mod leaving;
mod orders;
mod plan;
mod port;
mod trial;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::channel::{self, Connection};
use crate::config::Config;
use crate::journal::Journal;
use crate::report::Shelf;
use crate::site::Site;
use crate::tls::Identity;

pub use agent::{Agent, Overview, Unwilling};
pub use guest::{Preparation, Prepared, Status};
pub use plan::{Mode, MoveOrder};
pub use trial::Trial;

/// What the tasks of all guests share.
#[derive(Debug)]
pub(crate) struct Shared {
    config: watch::Receiver<Arc<Config>>,
    identity: Identity,
    journal: Journal,
    shelf: Shelf,
    guests: agent::Guests,
}

impl Shared {
    pub(crate) fn new(
        config: watch::Receiver<Arc<Config>>,
        identity: Identity,
        journal: Journal,
        shelf: Shelf,
    ) -> Self {
        Self {
            config,
            identity,
            journal,
            shelf,
            guests: agent::Guests::default(),
        }
    }

    /// The configuration as it is now.
    fn config(&self) -> Arc<Config> {
        self.config.borrow().clone()
    }

    /// What a guest finds at this site, where the configuration says it.
    fn network(&self) -> Option<orders::Network> {
        self.config().network.as_ref().map(Into::into)
    }

    /// The way to the task of a guest.
    fn guest(&self, name: &str) -> Option<guest::Handle> {
        self.guests.get(name)
    }

    /// Dials the agent of another site.
    async fn connect(&self, site: &Site) -> Result<Connection, String> {
        let config = self.config();
        let Some(peer) = config.peer(site) else {
            return Err(format!(
                "site {site} is not known here: the configuration of site {} has no [[peer]] of this name",
                config.site
            ));
        };
        channel::connect(peer.address, site, &self.identity)
            .await
            .map_err(|error| error.to_string())
    }

    /// Where streams of a guest that leaves are listened for.
    fn stream_socket(&self, guest: &str, number: usize) -> PathBuf {
        self.config().run_dir.join(format!("{guest}.s{number}"))
    }
}
