//! All guests of a site.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::connections::{self, Link};
use super::guest::{Handle, Preparation, Request, Status};
use super::plan::MoveOrder;
use super::trial::Trial;
use crate::channel::Listener;
use crate::config::Config;
use crate::report::{Recorder, Report, SCHEMA};
use crate::site::Site;

/// The guests that have a task.
#[derive(Debug, Default)]
pub(crate) struct Guests(RwLock<BTreeMap<String, Handle>>);

impl Guests {
    pub(super) fn get(&self, name: &str) -> Option<Handle> {
        let guests = self.0.read().unwrap_or_else(PoisonError::into_inner);
        guests.get(name).cloned()
    }

    fn insert(&self, name: &str, handle: Handle) {
        let mut guests = self.0.write().unwrap_or_else(PoisonError::into_inner);
        guests.insert(name.to_owned(), handle);
    }

    fn all(&self) -> Vec<Handle> {
        let guests = self.0.read().unwrap_or_else(PoisonError::into_inner);
        guests.values().cloned().collect()
    }
}

/// The guests of a site, and how they stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The site.
    pub site: Site,
    /// Its peers.
    pub peers: Vec<Site>,
    /// By name.
    pub guests: Vec<Status>,
}

/// Why an agent does not do what an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwilling {
    /// There is no such guest.
    #[error("site {site} has no guest {guest:?} in its configuration")]
    Unknown {
        /// The site of the agent.
        site: Site,
        /// What was asked for.
        guest: String,
    },
    /// It does not fit how the guest stands.
    #[error("{0}")]
    Refused(String),
}

/// What an operator can ask of a site.
#[derive(Clone, Debug)]
pub struct Agent {
    shared: Arc<Shared>,
}

impl Agent {
    /// Starts the task of every guest that is configured.
    ///
    /// # Errors
    /// When what is on record of one cannot be read: nothing was started then.
    pub(crate) fn start(shared: Arc<Shared>) -> anyhow::Result<Self> {
        let agent = Self { shared };
        // All records are readable before the first guest is touched.
        for guest in &agent.shared.config().guests {
            agent.shared.journal.read(&guest.name)?;
        }
        for guest in &agent.shared.config().guests {
            let handle = Handle::start(&agent.shared, guest.clone())?;
            agent.shared.guests.insert(&guest.name, handle);
        }
        Ok(agent)
    }

    /// Takes connections of other sites for as long as it is polled.
    pub(crate) async fn listen(&self, listener: Listener) {
        loop {
            match listener.accept().await {
                Ok(connection) => {
                    let link = Link::new(connection);
                    tokio::spawn(connections::read(self.shared.clone(), link, None));
                }
                Err(error) => tracing::warn!("{error}"),
            }
        }
    }

    /// Goes on with a configuration that was read again. Guests that it has no more keep their task:
    /// they may be here.
    pub(crate) async fn configure(&self, config: &Config) {
        for guest in &config.guests {
            match self.shared.guests.get(&guest.name) {
                Some(handle) => {
                    handle
                        .tell(Request::Configure(Box::new(guest.clone())))
                        .await
                }
                None => match Handle::start(&self.shared, guest.clone()) {
                    Ok(handle) => self.shared.guests.insert(&guest.name, handle),
                    Err(error) => tracing::error!(guest = guest.name, "{error}"),
                },
            }
        }
    }

    /// How all guests stand.
    pub async fn overview(&self) -> Overview {
        let config = self.shared.config();
        let handles = self.shared.guests.all();
        let guests = join_all(handles.iter().map(|handle| handle.ask(Request::Status))).await;
        Overview {
            schema: SCHEMA,
            site: config.site.clone(),
            peers: config.peers.iter().map(|peer| peer.site.clone()).collect(),
            guests: guests.into_iter().flatten().collect(),
        }
    }

    /// How a guest stands.
    ///
    /// # Errors
    /// [`Unwilling`].
    pub async fn status(&self, guest: &str) -> Result<Status, Unwilling> {
        let handle = self.guest(guest)?;
        handle
            .ask(Request::Status)
            .await
            .map_err(Unwilling::Refused)
    }

    /// Starts a guest here.
    ///
    /// # Errors
    /// [`Unwilling`].
    pub async fn start_guest(&self, guest: &str) -> Result<(), Unwilling> {
        let handle = self.guest(guest)?;
        handle.ask(Request::Start).await.map_err(Unwilling::Refused)
    }

    /// Begins to move a guest.
    ///
    /// # Errors
    /// [`Unwilling`].
    pub async fn move_guest(&self, guest: &str, order: MoveOrder) -> Result<Recorder, Unwilling> {
        let handle = self.guest(guest)?;
        let asked = handle.ask(|answer| Request::Move(order, answer)).await;
        asked.map_err(Unwilling::Refused)
    }

    /// Tries everything but the move.
    ///
    /// # Errors
    /// [`Unwilling`].
    pub async fn try_move(&self, guest: &str, order: MoveOrder) -> Result<Trial, Unwilling> {
        let handle = self.guest(guest)?;
        let asked = handle.ask(|answer| Request::Try(order, answer)).await;
        asked.map_err(Unwilling::Refused)
    }

    /// Tries everything but the move, and tells the guest where it will be.
    ///
    /// # Errors
    /// [`Unwilling`].
    pub async fn prepare(&self, guest: &str, order: MoveOrder) -> Result<Preparation, Unwilling> {
        let handle = self.guest(guest)?;
        let asked = handle.ask(|answer| Request::Prepare(order, answer)).await;
        asked.map_err(Unwilling::Refused)
    }

    /// Gives up the relocation of a guest that goes on, or what was prepared.
    ///
    /// # Errors
    /// [`Unwilling`].
    pub async fn abort(&self, guest: &str) -> Result<(), Unwilling> {
        let handle = self.guest(guest)?;
        handle.ask(Request::Abort).await.map_err(Unwilling::Refused)
    }

    /// The reports that are kept, of one guest or of all, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn reports(&self, guest: Option<&str>) -> Result<Vec<Report>, Unwilling> {
        let reports =
            self.shared.shelf.reports().map_err(|error| {
                Unwilling::Refused(ilnp_service::explain::explain(&error.into()))
            })?;
        let wanted = |report: &Report| guest.is_none_or(|guest| report.guest == guest);
        Ok(reports.into_iter().filter(wanted).collect())
    }

    fn guest(&self, name: &str) -> Result<Handle, Unwilling> {
        self.shared
            .guests
            .get(name)
            .ok_or_else(|| Unwilling::Unknown {
                site: self.shared.config().site.clone(),
                guest: name.to_owned(),
            })
    }
}
