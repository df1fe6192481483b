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

use crate::api::problem;

/// The API of the daemon behind a socket.
#[derive(Debug)]
pub(super) struct Client {
    socket: PathBuf,
}

/// Why a request got no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
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
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Reads a resource.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RequestError> {
        self.answer(Method::GET, path, Bytes::new()).await
    }

    /// Sends an order.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, RequestError> {
        let body = serde_json::to_vec(body).context("cannot write the request")?;
        self.answer(Method::POST, path, body.into()).await
    }

    /// Opens a stream.
    pub(super) async fn stream(&self, path: &str) -> Result<Incoming, RequestError> {
        let response = self.send(Method::GET, path, Bytes::new()).await?;
        Ok(accepted(response).await?.into_body())
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
            "the daemon's answer is not understood: are `ilnp` and `ilnp-hostd` of the same version?"
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
        let socket = self.socket.display();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => anyhow!(
                "no ilnp-hostd answers on {socket}: start it (`ilnp-hostd --config FILE`), or name its socket with --socket"
            ),
            io::ErrorKind::PermissionDenied => anyhow!(
                "{socket} may not be opened by this user: run the command as root or as a member of the socket's group"
            ),
            _ => anyhow!("cannot connect to {socket}: {error}"),
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
