//! The agent's end of the port over which it speaks to the daemon in a guest
//! ([`ilnp_core::relocation`]).
//!
//! A guest may have no such daemon, or one that hangs. That costs a bounded time and is no reason not
//! to move it: whoever asks decides what an error means. A request that was not answered may have
//! been carried out, or be carried out later: after a [`prepare`](Guest::prepare) or
//! [`switch`](Guest::switch) that failed, [`cancel`](Guest::cancel) makes sure.

mod connection;

use std::path::PathBuf;
use std::time::Duration;

use ilnp_core::relocation::{
    Answer, Epoch, Event, Fence, GuestHello, Hello, Prepare, Request, Resumed,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use connection::{Ask, Connection};

/// How many events wait to be read; later ones are lost.
const EVENTS: usize = 64;

/// How many requests wait for a connection.
const ASKS: usize = 16;

/// The daemon in a guest.
#[derive(Debug)]
pub struct Guest {
    path: PathBuf,
    patience: Duration,
    asks: mpsc::Sender<Ask>,
    _task: AbortOnDropHandle<()>,
}

/// Why a guest did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// It did not answer in time.
    #[error(
        "the guest did not answer {request} at {} within {} ms: no ilnp-hostd runs in it, or it has no port org.ilnp.relocate.0",
        path.display(),
        patience.as_millis()
    )]
    Silent {
        /// What was asked.
        request: &'static str,
        /// The socket of the port.
        path: PathBuf,
        /// How long it was waited for.
        patience: Duration,
    },
    /// It said why not.
    #[error("the guest refused {request}: {reason}")]
    Refused {
        /// What was asked.
        request: &'static str,
        /// What it said.
        reason: String,
    },
    /// It answered another question.
    #[error(
        "the guest answered {request} with something else: its ilnp-hostd speaks another language"
    )]
    Strange {
        /// What was asked.
        request: &'static str,
    },
}

impl Guest {
    /// Connects to the socket of a guest's port when it is there, and again whenever that ends.
    /// Requests wait this long for their answers, but for [`prepare`](Self::prepare). The other value tells what happens in the guest.
    /// Must be called within a tokio runtime.
    pub fn new(path: PathBuf, patience: Duration) -> (Self, mpsc::Receiver<Event>) {
        let (asks, asked) = mpsc::channel(ASKS);
        let (events, told) = mpsc::channel(EVENTS);
        let connection = Connection::new(path.clone(), asked, events);
        let guest = Self {
            path,
            patience,
            asks,
            _task: AbortOnDropHandle::new(tokio::spawn(connection.run())),
        };
        (guest, told)
    }

    /// Who are you? Says which run of the guest this is.
    ///
    /// # Errors
    /// [`GuestError`].
    pub async fn hello(&self, hello: Hello) -> Result<GuestHello, GuestError> {
        match self.ask("hello", Request::Hello(hello)).await? {
            Answer::Hello(hello) => Ok(hello),
            _ => Err(GuestError::Strange { request: "hello" }),
        }
    }

    /// Tells where the guest will be. Returns how many correspondents it tells;
    /// [`Event::Told`] says when they know. The answer is waited for as long as `patience`: nothing
    /// stands still yet.
    ///
    /// # Errors
    /// [`GuestError`].
    pub async fn prepare(&self, prepare: Prepare, patience: Duration) -> Result<usize, GuestError> {
        let prepare = Request::Prepare(prepare);
        match self.ask_for("prepare", prepare, patience).await? {
            Answer::Prepared(prepared) => Ok(prepared.correspondents),
            _ => Err(GuestError::Strange { request: "prepare" }),
        }
    }

    /// The guest is stopped in a round trip or so: lets its correspondents send to where it will be.
    ///
    /// # Errors
    /// [`GuestError`].
    pub async fn switch(&self, epoch: u64) -> Result<(), GuestError> {
        self.order("switch", Request::Switch(Epoch { epoch })).await
    }

    /// The guest runs here now.
    ///
    /// # Errors
    /// [`GuestError`].
    pub async fn resumed(&self, resumed: Resumed) -> Result<(), GuestError> {
        self.order("resumed", Request::Resumed(resumed)).await
    }

    /// The guest stays where it is.
    ///
    /// # Errors
    /// [`GuestError`].
    pub async fn cancel(&self, epoch: u64) -> Result<(), GuestError> {
        self.order("cancel", Request::Cancel(Epoch { epoch })).await
    }

    /// This copy of the guest must stop using its identifier.
    ///
    /// # Errors
    /// [`GuestError`].
    pub async fn fence(&self, fence: Fence) -> Result<(), GuestError> {
        self.order("fence", Request::Fence(fence)).await
    }

    async fn order(&self, name: &'static str, request: Request) -> Result<(), GuestError> {
        match self.ask(name, request).await? {
            Answer::Done(_) => Ok(()),
            _ => Err(GuestError::Strange { request: name }),
        }
    }

    async fn ask(&self, name: &'static str, request: Request) -> Result<Answer, GuestError> {
        self.ask_for(name, request, self.patience).await
    }

    /// Asks, and waits for the answer.
    async fn ask_for(
        &self,
        name: &'static str,
        request: Request,
        patience: Duration,
    ) -> Result<Answer, GuestError> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.asks.send(Ask::Request(request, answer)).await.ok()?;
            answered.await.ok()
        };
        match tokio::time::timeout(patience, asked).await {
            Ok(Some(Answer::Error(refused))) => Err(GuestError::Refused {
                request: name,
                reason: refused.reason,
            }),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) | Err(_) => {
                // What the hypervisor has not read yet goes with the connection.
                let _ = self.asks.try_send(Ask::Reconnect);
                Err(GuestError::Silent {
                    request: name,
                    path: self.path.clone(),
                    patience,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
