//! A character device or a Unix socket, read and written without waiting.
#![expect(
    unsafe_code,
    reason = "the runtime cannot know that a file descriptor stays open"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::unix::AsyncFd;

/// An open port.
///
/// While nobody is at the other end, a virtio-serial port is readable all the time and reads as
/// ended, and it hangs up without a break. Only the moments at which it changes tell anything; so
/// they are what is waited for.
#[derive(Debug)]
pub(super) struct Device {
    file: File,
    /// A socket that has ended stays so; a device has somebody at its other end again some day.
    is_socket: bool,
    edges: AsyncFd<Edges>,
}

/// What there was to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// So many octets.
    Octets(usize),
    /// Nothing now, or nobody is there.
    Nothing,
}

/// Tells of changes of a device, as the runtime takes it.
#[derive(Debug)]
struct Edges(Epoll);

impl AsRawFd for Edges {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

impl Device {
    /// Opens a device, or connects to a socket.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let kind = path.metadata()?.file_type();
        let file = if kind.is_socket() {
            // Nobody may accept: that must not keep the daemon waiting.
            let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
            socket.connect(&SockAddr::unix(path)?)?;
            File::from(OwnedFd::from(socket))
        } else if kind.is_char_device() {
            OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
                .open(path)?
        } else {
            return Err(io::Error::other(
                "it is neither a character device nor a Unix socket",
            ));
        };
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let changes = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
        epoll.add(file.as_fd(), EpollEvent::new(changes, 0))?;
        // SAFETY: `Edges` owns its descriptor, always names the same one, and is moved into the
        // `AsyncFd`, so that it stays open for as long as it is registered.
        let edges = unsafe { AsyncFd::register(Edges(epoll)) }?;
        Ok(Self {
            file,
            is_socket: kind.is_socket(),
            edges,
        })
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// When it has to be opened again.
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<Received> {
        match (&self.file).read(into) {
            Ok(0) if self.is_socket => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => Ok(Received::Nothing),
            Ok(count) => Ok(Received::Octets(count)),
            Err(error) if is_for_now(&error) => Ok(Received::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Writes as much as goes now; `None` when nothing does.
    ///
    /// # Errors
    /// When it has to be opened again.
    pub(super) fn write(&self, octets: &[u8]) -> io::Result<Option<usize>> {
        match (&self.file).write(octets) {
            Ok(0) => Ok(None),
            Ok(count) => Ok(Some(count)),
            Err(error) if is_for_now(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until something has changed: there is more to read or room to write, or somebody came
    /// or went. What was there before must have been read.
    pub(super) async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.edges.readable().await?;
            let changed = ready.try_io(|edges| {
                let mut events = [EpollEvent::empty()];
                match edges.get_ref().0.wait(&mut events, EpollTimeout::ZERO)? {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    _ => Ok(()),
                }
            });
            // Otherwise there was nothing yet.
            if let Ok(changed) = changed {
                return changed;
            }
        }
    }
}

fn is_for_now(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
