//! Work on a guest's hypervisor that takes long, beside the guest's task.

use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::orders::Network;
use super::trial::Trial;
use crate::channel::{Connection, RelayError};
use crate::hypervisor::{Copied, Description, Source, Target};
use crate::qemu::possession::{Examination, Proof};

/// What goes on.
pub(super) struct Job {
    cancel: CancellationToken,
    task: JoinHandle<Ended>,
}

/// How it ended, and what is left of it.
pub(super) enum Ended {
    /// The source is ready to offer the guest.
    Described(Result<Box<Described>, String>),
    /// The guest was copied, or not.
    Copied(Box<dyn Source>, Result<CopyDone, String>),
    /// The target is ready to receive, or not.
    Prepared(Box<dyn Target>, Result<Vec<Proof>, String>),
    /// The guest was loaded, or not. The relays go on until they are dropped.
    Loaded(Box<dyn Target>, Result<Relays, String>),
    /// The sites have answered whether the guest could be moved.
    Tried(Result<Box<Tried>, String>),
    /// The guest knows where it will be, and tells so many correspondents; or it does not.
    Told(Result<usize, String>),
    /// The job failed in a way that nobody foresaw.
    Lost(String),
}

/// What a source offers.
pub(super) struct Described {
    pub(super) source: Box<dyn Source>,
    pub(super) description: Description,
    pub(super) examination: Examination,
    pub(super) connection: Connection,
}

/// A guest that could be moved.
pub(super) struct Tried {
    pub(super) trial: Trial,
    /// What it would find, where the other site says it.
    pub(super) network: Option<Network>,
}

/// A copy that is complete as far as the source goes. What is still on its way goes on with the
/// relays.
pub(super) struct CopyDone {
    pub(super) copied: Copied,
    pub(super) relays: JoinSet<RelayError>,
}

/// Streams that are still open at the target.
pub(super) type Relays = JoinSet<Result<(), RelayError>>;

impl Job {
    /// Begins a job. It ends soon after its token was cancelled.
    pub(super) fn start<F: Future<Output = Ended> + Send + 'static>(
        work: impl FnOnce(CancellationToken) -> F,
    ) -> Self {
        let cancel = CancellationToken::new();
        let task = tokio::spawn(work(cancel.clone()));
        Self { cancel, task }
    }

    /// Waits for the end.
    ///
    /// # Cancellation
    /// Safe: nothing is lost.
    pub(super) async fn ended(&mut self) -> Ended {
        match (&mut self.task).await {
            Ok(ended) => ended,
            Err(error) => Ended::Lost(error.to_string()),
        }
    }

    /// Cuts it short.
    pub(super) async fn stop(mut self) -> Ended {
        self.cancel.cancel();
        self.ended().await
    }
}
