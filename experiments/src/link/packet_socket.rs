//! A packet socket on one interface that sees frames as the kernel holds them: with their checksum
//! and segmentation work still to be done, which is told by a header in front of each.
#![expect(
    unsafe_code,
    reason = "socket2 and nix have neither packet addresses to bind to nor these two options"
)]

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::libc;
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// The length of `struct virtio_net_hdr`, which stands before every frame.
pub(super) const VNET_HEADER: usize = 10;

/// `PACKET_VNET_HDR` and `PACKET_IGNORE_OUTGOING` of linux/if_packet.h.
const PACKET_VNET_HDR: libc::c_int = 15;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

/// What the kernel may queue before frames are dropped, in octets.
const QUEUE: usize = 16 << 20;

/// Frames of one interface, in and out.
#[derive(Debug)]
pub(super) struct PacketSocket(Socket);

impl PacketSocket {
    /// Opens a non-blocking socket on an interface of the namespace that the thread is in. It
    /// receives what comes in and not what it sends.
    pub(super) fn open(interface: &str) -> io::Result<Self> {
        // Protocol 0 receives nothing, so nothing of other interfaces is queued before the bind.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        enable(&socket, PACKET_VNET_HDR)?;
        enable(&socket, PACKET_IGNORE_OUTGOING)?;
        force_queue(&socket)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address(if_nametoindex(interface)?)?)?;
        Ok(Self(socket))
    }

    /// Takes the next frame, behind its virtio header; `None` when none waits.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match (&self.0).read(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            // The interface went down and came up again.
            Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => Ok(None),
            // A batch of a kind that a virtio header has no word for: it is lost.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a frame that stands behind its virtio header.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.0.send(frame).map(drop)
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The address of every protocol on an interface.
fn address(interface: u32) -> io::Result<SockAddr> {
    let interface = i32::try_from(interface).map_err(io::Error::other)?;
    let family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    let protocol = u16::try_from(libc::ETH_P_ALL).map_err(io::Error::other)?;
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>());
    let length = length.map_err(io::Error::other)?;
    // SAFETY: the storage is zeroed, larger than a sockaddr_ll and aligned for every kind of
    // address; the length is that of what is written.
    let (_, address) = unsafe {
        SockAddr::try_init(|storage, size| {
            let link = storage.cast::<libc::sockaddr_ll>();
            (*link).sll_family = family;
            (*link).sll_protocol = protocol.to_be();
            (*link).sll_ifindex = interface;
            *size = length;
            Ok(())
        })
    }?;
    Ok(address)
}

fn enable(socket: &Socket, option: libc::c_int) -> io::Result<()> {
    set(socket, libc::SOL_PACKET, option, 1)
}

/// Makes the receive queue long, beyond the limit for users.
fn force_queue(socket: &Socket) -> io::Result<()> {
    let length = libc::c_int::try_from(QUEUE).map_err(io::Error::other)?;
    set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, length)
}

fn set(
    socket: &Socket,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).map_err(io::Error::other)?;
    // SAFETY: the pointer and the length describe `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
