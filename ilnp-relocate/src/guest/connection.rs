//! The task that owns the connection to a guest's port.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ilnp_core::relocation::{Answer, Event, FromGuest, Line, Lines, Request, ToGuest, encode};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

/// How often it is tried to connect: a hypervisor that has just started is not kept waiting.
const RETRY: Duration = Duration::from_millis(20);

/// What is read at once.
const CHUNK: usize = 4096;

/// What the task is asked for.
#[derive(Debug)]
pub(super) enum Ask {
    /// Send a request, and give the answer back.
    Request(Request, oneshot::Sender<Answer>),
    /// Throw away what was not read at the other end.
    Reconnect,
}

/// A connection that is made again for as long as it takes.
#[derive(Debug)]
pub(super) struct Connection {
    path: PathBuf,
    asks: mpsc::Receiver<Ask>,
    events: mpsc::Sender<Event>,
    next_id: u64,
}

/// Why a conversation is over.
enum End {
    /// Nobody asks any more.
    Quit,
    /// The connection is to be made again.
    Again,
}

impl Connection {
    pub(super) fn new(
        path: PathBuf,
        asks: mpsc::Receiver<Ask>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        // A guest may still have an answer for the agent of the site that it came from: numbers of
        // two agents must not meet.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let start = now.unwrap_or_default().as_nanos();
        Self {
            path,
            asks,
            events,
            next_id: u64::try_from(start).unwrap_or(0),
        }
    }

    /// Works until nobody asks any more.
    pub(super) async fn run(mut self) {
        loop {
            match UnixStream::connect(&self.path).await {
                Ok(stream) => match self.talk(stream).await {
                    Ok(End::Quit) => return,
                    Ok(End::Again) => {}
                    Err(error) => {
                        tracing::debug!(port = %self.path.display(), %error, "a guest's port is gone");
                    }
                },
                // The hypervisor does not run yet, or not any more.
                Err(error) => {
                    tracing::trace!(port = %self.path.display(), %error, "no guest's port");
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn talk(&mut self, mut stream: UnixStream) -> io::Result<End> {
        let mut lines = Lines::default();
        let mut unsent = Vec::new();
        let mut waiting = BTreeMap::<u64, oneshot::Sender<Answer>>::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            let (mut reader, writer) = stream.split();
            tokio::select! {
                ask = self.asks.recv(), if unsent.is_empty() => {
                    waiting.retain(|_, answer| !answer.is_closed());
                    match ask {
                        None => return Ok(End::Quit),
                        // What others still wait for would go with the connection, too.
                        Some(Ask::Reconnect) if !waiting.is_empty() => {}
                        Some(Ask::Reconnect) => return Ok(End::Again),
                        Some(Ask::Request(request, answer)) => {
                            unsent = self.begin(request, answer, &mut waiting);
                        }
                    }
                }
                read = reader.read(&mut chunk) => {
                    let count = read?;
                    if count == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    for line in lines.push(chunk.get(..count).unwrap_or_default()) {
                        self.hear(&line, &mut waiting);
                    }
                }
                writable = writer.writable(), if !unsent.is_empty() => {
                    writable?;
                    match writer.try_write(&unsent) {
                        Ok(count) => drop(unsent.drain(..count)),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    /// The octets of a request, whose answer is waited for from now on.
    fn begin(
        &mut self,
        request: Request,
        answer: oneshot::Sender<Answer>,
        waiting: &mut BTreeMap<u64, oneshot::Sender<Answer>>,
    ) -> Vec<u8> {
        if answer.is_closed() {
            // It has waited for a connection for too long.
            return Vec::new();
        }
        self.next_id = self.next_id.wrapping_add(1);
        match encode(&ToGuest::new(self.next_id, request)) {
            Ok(octets) => {
                waiting.insert(self.next_id, answer);
                octets
            }
            Err(error) => {
                let reason = error.to_string();
                let refused = ilnp_core::relocation::Refused { reason };
                // Whoever asked may have gone.
                let _ = answer.send(Answer::Error(refused));
                Vec::new()
            }
        }
    }

    fn hear(&self, line: &Line, waiting: &mut BTreeMap<u64, oneshot::Sender<Answer>>) {
        let Line::Whole(line) = line else {
            tracing::debug!("a line of a guest was too long");
            return;
        };
        match FromGuest::parse(line) {
            Ok(FromGuest::Answer { id, answer }) => {
                if let Some(waiting) = waiting.remove(&id) {
                    let _ = waiting.send(answer);
                }
            }
            // Nobody may read events.
            Ok(FromGuest::Event(event)) => drop(self.events.try_send(event)),
            Err(unreadable) => tracing::debug!(%unreadable, "a line of a guest"),
        }
    }
}
