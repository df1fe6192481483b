//! The task of one guest: takes requests, orders and ends of jobs, one after the other, lets custody
//! decide, and has the decision carried out.

mod act;
mod operator;
mod prepared;
mod status;
mod task;
mod trying;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::Shared;
use super::connections::{Heard, Link};
use super::plan::MoveOrder;
use super::trial::Trial;
use crate::channel::Connection;
use crate::config;
use crate::custody::Record;
use crate::journal::JournalError;
use crate::report::{Recorder, Told};

pub use prepared::{Preparation, Prepared};
pub use status::Status;
use task::Task;

/// How many requests wait for their turn.
const REQUESTS: usize = 64;

/// The answer to an operator: done, or why not.
pub(super) type Answer<T> = oneshot::Sender<Result<T, String>>;

/// What a guest's task is asked for or told.
pub(super) enum Request {
    /// Start the guest here.
    Start(Answer<()>),
    /// Move it.
    Move(MoveOrder, Answer<Recorder>),
    /// Try everything but the move.
    Try(MoveOrder, Answer<Trial>),
    /// Try everything but the move, and tell the guest where it will be.
    Prepare(MoveOrder, Answer<Preparation>),
    /// Give the relocation up that goes on, or what was prepared.
    Abort(Answer<()>),
    /// How does it stand?
    Status(Answer<Status>),
    /// The configuration of the guest has changed.
    Configure(Box<config::Guest>),
    /// Another site says something.
    Heard(Link, Heard),
    /// The daemon in the guest tells something.
    Told(Told),
    /// A connection is gone, and why.
    Lost(Link, String),
    /// Another site was dialled.
    Dialled(Result<Connection, String>),
}

/// The way to a guest's task.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    requests: mpsc::Sender<Request>,
    /// What is on record; none while the record cannot be read.
    record: watch::Receiver<Option<Record>>,
}

impl Handle {
    /// Starts the task of a guest, from what is on record.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(super) fn start(shared: &Arc<Shared>, guest: config::Guest) -> Result<Self, JournalError> {
        let entry = shared.journal.read(&guest.name)?;
        let (requests, incoming) = mpsc::channel(REQUESTS);
        let record = entry.as_ref().map(|entry| entry.record.clone());
        let (view, record) = watch::channel(Some(record.unwrap_or_default()));
        let task = Task::new(
            shared.clone(),
            guest,
            entry,
            view,
            (requests.downgrade(), incoming),
        );
        tokio::spawn(task.run());
        Ok(Self { requests, record })
    }

    /// What is on record.
    pub(super) fn record(&self) -> Option<Record> {
        self.record.borrow().clone()
    }

    /// Tells something.
    pub(super) async fn tell(&self, request: Request) {
        // The task ends with the agent.
        let _ = self.requests.send(request).await;
    }

    /// Asks for something.
    pub(super) async fn ask<T>(
        &self,
        request: impl FnOnce(Answer<T>) -> Request,
    ) -> Result<T, String> {
        let (answer, answered) = oneshot::channel();
        self.tell(request(answer)).await;
        answered
            .await
            .unwrap_or_else(|_| Err("the agent is stopping".to_owned()))
    }
}
