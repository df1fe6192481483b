//! The Unix socket of the API.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use nix::sys::stat::{Mode, umask};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections are served at a time; more wait.
const MAX_CONNECTIONS: usize = 64;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Another daemon answers there.
    #[error("another daemon answers on {} already: stop it, or give this one its own control-socket", .0.display())]
    InUse(PathBuf),
    /// Something else has the name.
    #[error("{} is there and is no socket: remove it, or change control-socket", .0.display())]
    NotASocket(PathBuf),
    /// The directory or the socket cannot be made.
    #[error("cannot {action} {} (see control-socket in the configuration)", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// The listening socket. Dropping it removes the file.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    places: Arc<Semaphore>,
    _file: SocketFile,
}

/// Removes the socket, and the directory if this run made it.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    made_directory: Option<PathBuf>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing can be done about a file that somebody else has removed meanwhile.
        let _ = fs::remove_file(&self.path);
        if let Some(directory) = &self.made_directory {
            let _ = fs::remove_dir(directory);
        }
    }
}

impl ControlSocket {
    /// Listens at `path`, readable and writable for its owner and group.
    ///
    /// A directory that is missing is made. A socket that nobody answers on is replaced.
    ///
    /// # Errors
    /// [`SocketError`]; nothing is left behind then.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let made_directory = make_directory(path)?;
        remove_stale(path)?;
        // Nobody can connect before the permissions are right.
        let earlier = umask(Mode::from_bits_truncate(0o117));
        let bound = UnixListener::bind(path);
        umask(earlier);
        let listener = bound.map_err(|error| {
            if let Some(directory) = &made_directory {
                let _ = fs::remove_dir(directory);
            }
            file_error("create", path, error)
        })?;
        Ok(Self {
            listener,
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            _file: SocketFile {
                path: path.to_owned(),
                made_directory,
            },
        })
    }
}

/// Makes the directory of the socket, and says which one when it was not there.
fn make_directory(path: &Path) -> Result<Option<PathBuf>, SocketError> {
    let directory = path.parent().unwrap_or_else(|| Path::new("/"));
    if directory.exists() {
        return Ok(None);
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .and_then(|()| fs::set_permissions(directory, Permissions::from_mode(0o755)))
        .map_err(|error| file_error("create", directory, error))?;
    Ok(Some(directory.to_owned()))
}

/// Removes a socket that an earlier daemon left. That there is none is no error.
///
/// # Errors
/// [`SocketError`] when a daemon answers there, or it is no socket; it is left alone then.
pub fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(file_error("look at", path, error)),
        Ok(found) => found,
    };
    if !found.file_type().is_socket() {
        return Err(SocketError::NotASocket(path.to_owned()));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| file_error("replace", path, error))
        }
        Err(error) => Err(file_error("connect to", path, error)),
    }
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> SocketError {
    SocketError::File {
        action,
        path: path.to_owned(),
        source,
    }
}

impl Listener for ControlSocket {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                std::future::pending().await
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let peer = Peer::of(&stream);
                    return (
                        Connection {
                            stream,
                            _place: place,
                        },
                        peer,
                    );
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection to the control socket");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { user: None })
    }
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user id (`SO_PEERCRED`); `None` when the kernel does not say.
    pub user: Option<u32>,
}

impl Peer {
    fn of(stream: &UnixStream) -> Self {
        Self {
            user: stream.peer_cred().ok().map(|credentials| credentials.uid()),
        }
    }
}

impl Connected<IncomingStream<'_, ControlSocket>> for Peer {
    fn connect_info(stream: IncomingStream<'_, ControlSocket>) -> Self {
        *stream.remote_addr()
    }
}

/// A connection that holds one of the places.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
