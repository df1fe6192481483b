//! The way to the daemon.

use std::io;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::problem;

/// No line is longer; a daemon that sends more without an end of line is not ours.
const MAX_LINE: usize = 1 << 20;

/// The API of the daemon behind a socket.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    daemon: &'static str,
}

/// Why a request got no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The daemon refused it.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// What the daemon says.
        message: String,
    },
    /// The daemon could not be asked, or its answer is not what it should be.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl Client {
    /// The way to `daemon`, the program that is started with `--config FILE`.
    pub fn new(socket: PathBuf, daemon: &'static str) -> Self {
        Self { socket, daemon }
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RequestError> {
        self.answer(Method::GET, path, Bytes::new()).await
    }

    /// Sends an order.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, RequestError> {
        let body = serde_json::to_vec(body).context("cannot write the request")?;
        self.answer(Method::POST, path, body.into()).await
    }

    /// Opens a stream of lines.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn stream(&self, path: &str) -> Result<Lines, RequestError> {
        self.lines(Method::GET, path, Bytes::new()).await
    }

    /// Sends an order whose answer is a stream of lines.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn post_stream(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Lines, RequestError> {
        let body = serde_json::to_vec(body).context("cannot write the request")?;
        self.lines(Method::POST, path, body.into()).await
    }

    async fn lines(&self, method: Method, path: &str, body: Bytes) -> Result<Lines, RequestError> {
        let response = self.send(method, path, body).await?;
        Ok(Lines {
            body: accepted(response).await?.into_body(),
            pending: Vec::new(),
        })
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, RequestError> {
        let response = accepted(self.send(method, path, body).await?).await?;
        let body = collect(response).await?;
        let answer = serde_json::from_slice(&body).with_context(|| {
            "the daemon's answer is not understood: are the command and the daemon of the same version?"
        })?;
        Ok(answer)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, anyhow::Error> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| self.unreachable(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        sender
            .send_request(request)
            .await
            .context("the daemon closed the connection")
    }

    /// Says what to do about a socket that cannot be used.
    fn unreachable(&self, error: &io::Error) -> anyhow::Error {
        let (socket, daemon) = (self.socket.display(), self.daemon);
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => anyhow!(
                "no {daemon} answers on {socket}: start it (`{daemon} --config FILE`), or name its socket with --socket"
            ),
            io::ErrorKind::PermissionDenied => anyhow!(
                "{socket} may not be opened by this user: run the command as root or as a member of the socket's group"
            ),
            _ => anyhow!("cannot connect to {socket}: {error}"),
        }
    }
}

/// An answer that comes a line at a time.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    pending: Vec<u8>,
}

impl Lines {
    /// The next line, without its end; `None` when the daemon has said everything.
    ///
    /// # Errors
    /// When the answer breaks off, or a line is longer than any of ours.
    pub async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(end) = self.pending.iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            if self.pending.len() > MAX_LINE {
                bail!("the daemon sent a line of more than {MAX_LINE} octets");
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.context("the daemon stopped")?;
            let octets = frame.data_ref().map_or(&[][..], AsRef::as_ref);
            self.pending.extend_from_slice(octets);
        }
    }
}

/// Turns an answer that is not a success into an error.
async fn accepted(response: Response<Incoming>) -> Result<Response<Incoming>, RequestError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = collect(response).await?;
    let message = match serde_json::from_slice::<problem::Body>(&body) {
        Ok(problem) => problem.error,
        Err(_) => format!("the daemon answered {status}"),
    };
    Err(RequestError::Refused { status, message })
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, anyhow::Error> {
    match response.into_body().collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => bail!("the daemon's answer broke off: {error}"),
    }
}
