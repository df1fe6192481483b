//! The raw ICMPv6 socket that routers are talked to over.
#![expect(
    unsafe_code,
    reason = "no crate has the ICMPv6 type filter as a socket option, and the runtime cannot know that a descriptor stays open"
)]

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::Advertisement;
use super::advertisement::ROUTER_ADVERTISEMENT;
use super::message::{
    NEIGHBOUR_ADVERTISEMENT, answering_neighbour, neighbour_solicitation, router_solicitation,
};
use crate::kernel::KernelError;

/// Larger than any Router Advertisement: a link's MTU is at most 64 KiB.
const MESSAGE: usize = 65536;

/// `ICMPV6_FILTER` of `linux/icmpv6.h`.
const ICMPV6_FILTER: libc::c_int = 1;

const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// Sends solicitations and hears routers on every interface of a network namespace.
#[derive(Debug)]
pub struct Discovery {
    socket: AsyncFd<Socket>,
    buffer: Vec<u8>,
}

/// What was heard on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The interface.
    pub interface: u32,
    /// What was said.
    pub message: HeardMessage,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeardMessage {
    /// A router advertises itself.
    Advertisement(Advertisement),
    /// A neighbour answers a solicitation.
    Answer(Ipv6Addr),
}

/// From where a solicitation is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The interface.
    pub interface: u32,
    /// This host's link-local address there.
    pub address: Ipv6Addr,
    /// The interface's MAC address.
    pub mac: Option<[u8; 6]>,
}

impl Discovery {
    /// Opens the socket. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`KernelError::Socket`].
    pub fn open() -> Result<Self, KernelError> {
        Self::socket().map_err(|source| KernelError::Socket {
            what: "a raw ICMPv6 socket",
            source,
        })
    }

    fn socket() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        socket.set_nonblocking(true)?;
        filter(&socket, &[ROUTER_ADVERTISEMENT, NEIGHBOUR_ADVERTISEMENT])?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        socket.set_multicast_loop_v6(false)?;
        // SAFETY: the socket owns its descriptor and moves into the `AsyncFd`, so that the descriptor
        // stays open for as long as it is registered.
        let socket = unsafe { AsyncFd::register(socket) }?;
        Ok(Self {
            socket,
            buffer: vec![0; MESSAGE],
        })
    }

    /// Asks all routers of a link to advertise themselves.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub fn solicit_routers(&self, from: Sender) -> Result<(), KernelError> {
        self.send(from, ALL_ROUTERS, &router_solicitation(from.mac))
    }

    /// Asks one router whether it is still there.
    ///
    /// # Errors
    /// [`KernelError::Request`].
    pub fn probe(&self, from: Sender, router: Ipv6Addr) -> Result<(), KernelError> {
        self.send(from, router, &neighbour_solicitation(router, from.mac))
    }

    fn send(&self, from: Sender, to: Ipv6Addr, message: &[u8]) -> Result<(), KernelError> {
        let source = libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr {
                s6_addr: from.address.octets(),
            },
            ipi6_ifindex: from.interface,
        };
        let control = [
            ControlMessage::Ipv6PacketInfo(&source),
            ControlMessage::Ipv6HopLimit(&255),
        ];
        let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, from.interface));
        sendmsg(
            self.socket.as_raw_fd(),
            &[IoSlice::new(message)],
            &control,
            MsgFlags::MSG_DONTWAIT,
            Some(&to),
        )
        .map(|_| ())
        .map_err(|errno| KernelError::Request {
            what: format!(
                "solicit {} on interface {} from {}",
                to.ip(),
                from.interface,
                from.address
            ),
            source: errno.into(),
        })
    }

    /// What was heard already, without waiting for it: `None` when that is nothing, or not valid.
    ///
    /// # Errors
    /// [`KernelError::Socket`].
    pub fn heard(&mut self) -> Result<Option<Heard>, KernelError> {
        match receive(self.socket.get_ref(), &mut self.buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            received => received.map_err(unreadable),
        }
    }

    /// Waits until something valid is heard. Losing the future loses nothing.
    ///
    /// # Errors
    /// [`KernelError::Socket`].
    pub async fn hear(&mut self) -> Result<Heard, KernelError> {
        loop {
            let received = async {
                let mut ready = self.socket.readable().await?;
                match ready.try_io(|socket| receive(socket.get_ref(), &mut self.buffer)) {
                    Ok(received) => received,
                    Err(_would_block) => Ok(None),
                }
            };
            match received.await {
                Ok(Some(heard)) => return Ok(heard),
                Ok(None) => {}
                Err(source) => return Err(unreadable(source)),
            }
        }
    }
}

fn unreadable(source: io::Error) -> KernelError {
    KernelError::Socket {
        what: "the raw ICMPv6 socket for reading",
        source,
    }
}

/// Receives one message; `None` when it is not valid.
fn receive(socket: &Socket, buffer: &mut [u8]) -> io::Result<Option<Heard>> {
    let mut space = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int);
    let mut parts = [IoSliceMut::new(buffer)];
    let received = recvmsg::<SockaddrIn6>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut space),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let mut interface = None;
    let mut hop_limit = None;
    for control in received.cmsgs()? {
        match control {
            ControlMessageOwned::Ipv6PacketInfo(info) => interface = Some(info.ipi6_ifindex),
            ControlMessageOwned::Ipv6HopLimit(limit) => hop_limit = u8::try_from(limit).ok(),
            _ => {}
        }
    }
    let (Some(source), Some(interface), Some(hop_limit)) = (received.address, interface, hop_limit)
    else {
        return Ok(None);
    };
    let length = received.bytes;
    let message = buffer.get(..length).unwrap_or_default();
    if message.first() == Some(&NEIGHBOUR_ADVERTISEMENT) {
        let answer = answering_neighbour(hop_limit, message);
        return Ok(answer.map(|neighbour| Heard {
            interface,
            message: HeardMessage::Answer(neighbour),
        }));
    }
    match Advertisement::parse(source.ip(), hop_limit, message) {
        Ok(advertisement) => Ok(Some(Heard {
            interface,
            message: HeardMessage::Advertisement(advertisement),
        })),
        Err(error) => {
            tracing::debug!(%error, interface, source = %source.ip(), "ignored a Router Advertisement");
            Ok(None)
        }
    }
}

/// Lets only messages of these types through.
fn filter(socket: &Socket, types: &[u8]) -> io::Result<()> {
    // A set bit blocks the type.
    let mut blocked = [u32::MAX; 8];
    for &kind in types {
        blocked[usize::from(kind >> 5)] &= !(1 << (kind & 31));
    }
    let size = libc::socklen_t::try_from(size_of_val(&blocked)).map_err(io::Error::other)?;
    // SAFETY: the socket is open while it is borrowed, and the kernel reads `size` octets from an
    // array of that size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_ICMPV6,
            ICMPV6_FILTER,
            blocked.as_ptr().cast(),
            size,
        )
    };
    nix::errno::Errno::result(result)?;
    Ok(())
}
