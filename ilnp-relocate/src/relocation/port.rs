//! The daemon in a guest that is here: it is told where it is and where it will be, and tells what
//! became of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ilnp_core::relocation::{Event, Fence, Hello, Prepare, Resumed, Step};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::guest::Request;
use crate::guest::{Guest, GuestError};
use crate::report::Told;

/// How long a guest may take for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it may take to prepare: it runs, and nothing has been copied.
const PREPARING: Duration = Duration::from_secs(10);
/// How long correspondents may take to acknowledge where to send to, while the guest still runs.
const SWITCHING: Duration = Duration::from_millis(500);
/// After how long a guest that did not answer is asked again, and how often: it may still boot.
const AGAIN: Duration = Duration::from_secs(2);
const TRIES: u32 = 60;

/// What a guest is told first.
pub(super) enum First {
    /// Which run of the guest this is. What an earlier agent prepared, and did not live to carry out or
    /// to take back, is taken back.
    Hello(Hello),
    /// That it has arrived.
    Resumed(Resumed),
}

/// The way to the daemon in a guest.
#[derive(Clone)]
pub(super) struct Port {
    guest: Arc<Guest>,
    /// Correspondents that know where to send to, of how many, in which hand-over.
    switched: watch::Receiver<Option<(u64, usize, usize)>>,
    _task: Arc<AbortOnDropHandle<()>>,
}

impl Port {
    /// Connects to a guest, tells it `first` as soon as it answers, and passes on what it tells.
    pub(super) fn attend(path: PathBuf, first: First, tell: mpsc::WeakSender<Request>) -> Self {
        let (guest, mut events) = Guest::new(path, PATIENCE);
        let guest = Arc::new(guest);
        let (switching, switched) = watch::channel(None);
        let greeted = guest.clone();
        let task = tokio::spawn(async move {
            let greeting = greet(&greeted, first);
            let listening = async {
                while let Some(event) = events.recv().await {
                    if let Event::Told(told) = &event
                        && told.step == Step::Switch
                    {
                        let now = (told.epoch, told.acknowledged, told.correspondents);
                        switching.send_replace(Some(now));
                    }
                    if let (Some(told), Some(tell)) = (told(&event), tell.upgrade()) {
                        // The guest's task ends with the agent.
                        let _ = tell.send(Request::Told(told)).await;
                    }
                }
            };
            tokio::join!(greeting, listening);
        });
        Self {
            guest,
            switched,
            _task: Arc::new(AbortOnDropHandle::new(task)),
        }
    }

    /// Tells the guest where it will be. Returns how many correspondents it tells.
    pub(super) async fn prepare(&self, prepare: Prepare) -> Result<usize, GuestError> {
        let epoch = prepare.epoch;
        let prepared = self.guest.prepare(prepare, PREPARING).await;
        if prepared.is_err() {
            // It may have heard it nevertheless.
            self.cancel(epoch);
        }
        prepared
    }

    /// The guest stops in a moment: its correspondents send to where it will be from now on.
    pub(super) async fn switch(&self, epoch: u64) -> Result<(), GuestError> {
        self.guest.switch(epoch).await?;
        let mut switched = self.switched.clone();
        let all = switched.wait_for(|told| {
            told.is_some_and(|(of, acknowledged, all)| of == epoch && acknowledged >= all)
        });
        // Whoever has not heard by then hears of it from the new site.
        let _ = timeout(SWITCHING, all).await;
        Ok(())
    }

    /// The guest stays where it is. It is told until it has heard it.
    pub(super) fn cancel(&self, epoch: u64) {
        let port = self.clone();
        tokio::spawn(async move {
            for _ in 0..TRIES {
                match port.guest.cancel(epoch).await {
                    Err(GuestError::Silent { .. }) => sleep(AGAIN).await,
                    Err(error) => return tracing::warn!("{error}"),
                    Ok(()) => return,
                }
            }
        });
    }
}

/// Another site has this guest, and what is left of it here cannot be ended.
pub(super) async fn fence(path: PathBuf, epoch: u64, reason: String) {
    let (guest, _) = Guest::new(path, PATIENCE);
    match guest.fence(Fence { epoch, reason }).await {
        Ok(()) => tracing::warn!("the guest here was told not to use its identifier"),
        // It stands still, or has no daemon.
        Err(error) => tracing::debug!("{error}"),
    }
}

async fn greet(guest: &Guest, first: First) {
    for _ in 0..TRIES {
        let told = match &first {
            First::Hello(hello) => match guest.hello(hello.clone()).await {
                Ok(_) => guest.cancel(hello.epoch).await,
                Err(error) => Err(error),
            },
            First::Resumed(resumed) => guest.resumed(resumed.clone()).await,
        };
        match told {
            Ok(()) => return,
            Err(error @ GuestError::Silent { .. }) => tracing::debug!("{error}"),
            Err(error) => return tracing::warn!("{error}"),
        }
        sleep(AGAIN).await;
    }
}

/// What is worth a line in the report.
fn told(event: &Event) -> Option<Told> {
    let (event, after_ms) = match event {
        Event::Told(_) => return None,
        Event::Usable(usable) => ("usable", usable.after_ms),
        Event::Acknowledged(acknowledged) => ("acknowledged", acknowledged.after_ms),
        Event::AllAcknowledged(acknowledged) => ("all-acknowledged", acknowledged.after_ms),
        Event::DnsConfirmed(confirmed) => ("dns-confirmed", confirmed.after_ms),
    };
    Some(Told {
        event: event.to_owned(),
        after_ms,
    })
}
