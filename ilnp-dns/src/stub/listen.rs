//! Where requests come in: UDP and TCP sockets (RFC 1035 §4.2, RFC 7766).

use core::time::Duration;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Correspondents;
use super::responder::Responder;
use crate::exchange::Transport;
use crate::message::Rcode;
use crate::raw::{self, Raw, Unsound};

/// Octets of the longest request: any question and many options.
const MAX_REQUEST: usize = 4096;
/// How many requests are worked on at a time; more are refused, and not kept waiting.
const MAX_REQUESTS: usize = 1024;
/// How many TCP connections are served at a time; more wait in the kernel.
const MAX_CONNECTIONS: usize = 256;
/// How many requests of one connection are worked on at a time; more are left unread.
const MAX_PIPELINED: usize = 16;
/// When a connection that sends nothing, or takes nothing, is closed (RFC 7766 §6.2.3).
const IDLE: Duration = Duration::from_secs(10);
/// The same while more than half of the connections are taken.
const IDLE_IN_A_CROWD: Duration = Duration::from_secs(1);
/// The pause after an error of a socket, which may last.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves a UDP socket for ever.
pub(super) async fn udp<C: Correspondents>(socket: UdpSocket, responder: Arc<Responder<C>>) {
    let socket = Arc::new(socket);
    let permits = Arc::new(Semaphore::new(MAX_REQUESTS));
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; MAX_REQUEST];
    loop {
        while tasks.try_join_next().is_some() {}
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(%error, "cannot receive DNS queries");
                sleep(PAUSE).await;
                continue;
            }
        };
        let request = buffer[..length].to_vec();
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            if Raw::read_request(&request) != Err(Unsound::Unanswerable) {
                let response = raw::refusal(&request, Rcode::SERVFAIL);
                let _lost_like_any_datagram = socket.try_send_to(&response, client);
            }
            continue;
        };
        let (socket, responder) = (Arc::clone(&socket), Arc::clone(&responder));
        tasks.spawn(async move {
            if let Some(response) = responder.respond(&request, Transport::Udp).await
                && let Err(error) = socket.send_to(&response, client).await
            {
                tracing::debug!(%client, %error, "cannot answer a DNS query");
            }
            drop(permit);
        });
    }
}

/// Accepts TCP connections for ever.
pub(super) async fn tcp<C: Correspondents>(listener: TcpListener, responder: Arc<Responder<C>>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut tasks = JoinSet::new();
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        while tasks.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, client)) => {
                let responder = Arc::clone(&responder);
                let crowded = permits.available_permits() < MAX_CONNECTIONS / 2;
                let idle = if crowded { IDLE_IN_A_CROWD } else { IDLE };
                tasks.spawn(async move {
                    if let Err(error) = connection(stream, idle, responder).await {
                        tracing::debug!(%client, %error, "a DNS connection ends");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept DNS connections");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection, each as soon as its answer is there.
async fn connection<C: Correspondents>(
    stream: TcpStream,
    idle: Duration,
    responder: Arc<Responder<C>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, writer) = stream.into_split();
    let writer = Arc::new(Mutex::new(writer));
    let permits = Arc::new(Semaphore::new(MAX_PIPELINED));
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let permit = Arc::clone(&permits).acquire_owned().await;
        let Some(request) = timeout(idle, next(&mut reader)).await?? else {
            break;
        };
        let (writer, responder) = (Arc::clone(&writer), Arc::clone(&responder));
        tasks.spawn(async move {
            if let Some(response) = responder.respond(&request, Transport::Tcp).await {
                send(&writer, &response).await;
            }
            drop(permit);
        });
    }
    // The other side has nothing more to ask, but may still listen.
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// The next request; `None` at the end of the stream.
async fn next(reader: &mut OwnedReadHalf) -> io::Result<Option<Vec<u8>>> {
    let length = match reader.read_u16().await {
        Ok(length) => usize::from(length),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > MAX_REQUEST {
        let long = format!("a request of {length} octets is none");
        return Err(io::Error::new(io::ErrorKind::InvalidData, long));
    }
    let mut request = vec![0; length];
    reader.read_exact(&mut request).await?;
    Ok(Some(request))
}

/// Writes a response with its length in front. After an error, or when the other side takes
/// nothing, the stream is of no more use and is shut down.
async fn send(writer: &Mutex<OwnedWriteHalf>, response: &[u8]) {
    let Ok(length) = u16::try_from(response.len()) else {
        return;
    };
    let framed = [&length.to_be_bytes(), response].concat();
    let mut writer = writer.lock().await;
    let written = timeout(IDLE, writer.write_all(&framed)).await;
    if !matches!(written, Ok(Ok(()))) {
        let _closed_already = writer.shutdown().await;
    }
}
