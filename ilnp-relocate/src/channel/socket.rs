//! TCP, set up for a long fat pipe that must not be silent for long.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};
use nix::{getsockopt_impl, libc, setsockopt_impl, sockopt_impl};
use socket2::SockRef;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::SILENCE;

/// A TCP connection that is read in large pieces.
pub(super) type Wire = BufReader<TcpStream>;

/// Twice over what 1 Gbit/s holds in 55 ms. The kernel takes memory as it is needed.
const BUFFER: usize = 16 * 1024 * 1024;
/// What the kernel may hold that is not on its way yet: little, so that an order does not wait
/// behind a copy.
const NOT_SENT: u32 = 256 * 1024;
/// How much is read from the kernel at once.
const READ: usize = 256 * 1024;
/// Connections that may wait to be taken.
const BACKLOG: u32 = 1024;

sockopt_impl!(
    /// The most that TCP sends, in octets a second, without headers; the segments are spaced evenly.
    MaxPacingRate,
    Both,
    libc::SOL_SOCKET,
    libc::SO_MAX_PACING_RATE,
    u64
);

/// Spaces what is sent evenly, at `rate` octets a second at most; `None` for as TCP likes.
pub(super) fn pace(socket: &impl AsFd, rate: Option<u64>) -> io::Result<()> {
    setsockopt(socket, MaxPacingRate, &rate.unwrap_or(u64::MAX)).map_err(io::Error::from)
}

pub(super) async fn connect(address: SocketAddr) -> io::Result<Wire> {
    let socket = new(address)?;
    tune(&socket)?;
    Ok(wire(socket.connect(address).await?))
}

pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = new(address)?;
    socket.set_reuseaddr(true)?;
    // Before it listens: the window's scale is told in the first segment. Connections inherit it.
    tune(&socket)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

pub(super) fn wire(stream: TcpStream) -> Wire {
    BufReader::with_capacity(READ, stream)
}

fn new(address: SocketAddr) -> io::Result<TcpSocket> {
    match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }
}

fn tune(socket: &impl AsFd) -> io::Result<()> {
    let options = SockRef::from(socket);
    options.set_tcp_nodelay(true)?;
    options.set_tcp_notsent_lowat(NOT_SENT)?;
    // Both sides send something every second: unacknowledged data are enough to tell a dead link.
    options.set_tcp_user_timeout(Some(SILENCE))?;
    // Beyond the limits of the system when it lets us; they allow for less than such a pipe holds.
    if setsockopt(socket, sockopt::RcvBufForce, &BUFFER).is_err() {
        options.set_recv_buffer_size(BUFFER)?;
    }
    if setsockopt(socket, sockopt::SndBufForce, &BUFFER).is_err() {
        options.set_send_buffer_size(BUFFER)?;
    }
    Ok(())
}
