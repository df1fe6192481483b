//! TCP (RFC 7766): a task for each connection, requests one after the other.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::server::answer::{Answerer, Transfer, Transport, Update, Verdict};
use crate::server::writer::Writer;

/// How many connections are served at a time; more wait in the kernel's queue.
const CONNECTIONS: usize = 4096;
/// How long a connection may be idle, or take to receive an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many messages of a transfer are made before they can be sent.
const AHEAD: usize = 4;
/// The pause after the system had no more file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections for ever.
pub(in crate::server) async fn serve(
    listener: TcpListener,
    answerer: Arc<Answerer>,
    writer: Writer,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let connection = Connection {
                    stream,
                    answerer: Arc::clone(&answerer),
                    writer: writer.clone(),
                };
                tokio::spawn(connection.run(peer, place));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(PAUSE).await;
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    answerer: Arc<Answerer>,
    writer: Writer,
}

impl Connection {
    async fn run(mut self, peer: SocketAddr, _place: OwnedSemaphorePermit) {
        if let Err(error) = self.answer_all().await {
            tracing::debug!(%peer, %error, "a connection ended");
        }
    }

    async fn answer_all(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        loop {
            let request = timeout(PATIENCE, read(&mut self.stream)).await??;
            match self.answerer.judge(&request, Transport::Tcp) {
                Verdict::Reply(reply) => write(&mut self.stream, &reply).await?,
                Verdict::Silence => {}
                Verdict::Update(update) => {
                    let reply = self.update(update).await?;
                    write(&mut self.stream, &reply).await?;
                }
                Verdict::Transfer(transfer) => {
                    let mut messages = stream_of(transfer);
                    while let Some(message) = messages.recv().await {
                        write(&mut self.stream, &message).await?;
                    }
                }
            }
        }
    }

    async fn update(&self, update: Box<Update>) -> io::Result<Vec<u8>> {
        let (sender, answer) = oneshot::channel();
        let reply = move |reply| {
            // The connection may be gone; the update is done all the same.
            let _ = sender.send(reply);
        };
        self.writer.update(update, Box::new(reply));
        answer
            .await
            .map_err(|_| io::ErrorKind::ConnectionAborted.into())
    }
}

/// The messages of a transfer, made on a thread of their own: a large zone is much to encode.
fn stream_of(transfer: Box<Transfer>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, messages) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        transfer.send(|message| sender.blocking_send(message).is_ok());
    });
    messages
}

/// Reads a message with its length in front.
async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let framed = [&length.to_be_bytes(), message].concat();
    timeout(PATIENCE, stream.write_all(&framed)).await?
}
