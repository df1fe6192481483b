//! UDP sockets that answer from the address that was asked.
//!
//! A socket on the unspecified address would answer from the address that the route suggests, and
//! whoever asked another one of this host's addresses would drop the answer.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;

use nix::cmsg_space;
use nix::libc::{in_pktinfo, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

/// Datagrams that the kernel keeps while all threads work.
const RECEIVE_BUFFER: usize = 4 << 20;

/// A bound socket.
#[derive(Debug)]
pub(in crate::server) struct Datagrams {
    socket: UdpSocket,
    /// Whether it is bound to the unspecified address.
    anywhere: bool,
}

/// Who sent a datagram, and where to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    asked: Asked,
}

/// The own address that a datagram was sent to.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// The one that the socket is bound to.
    Bound,
    V4(in_pktinfo),
    /// Also an IPv4 address on an IPv6 socket.
    V6(in6_pktinfo),
}

impl Datagrams {
    /// Opens a socket on an address that others of this process have, too.
    ///
    /// # Errors
    /// What the system says, as when another server has the address.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_port(true)?;
        // A smaller one works too.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        let anywhere = address.ip().is_unspecified();
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        match address.ip() {
            IpAddr::V4(_) if anywhere => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            IpAddr::V6(_) if anywhere => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
            _ => {}
        }
        socket.bind(&address.into())?;
        Ok(Self {
            socket: socket.into(),
            anywhere,
        })
    }

    /// Waits for a datagram; its length, and where it is from.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Origin)> {
        if !self.anywhere {
            let (length, address) = self.socket.recv_from(buffer)?;
            let asked = Asked::Bound;
            return Ok((length, Origin { address, asked }));
        }
        let mut control = cmsg_space!(in6_pktinfo);
        let mut parts = [IoSliceMut::new(buffer)];
        let (socket, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
        let received = recvmsg::<SockaddrStorage>(socket, &mut parts, Some(&mut control), flags)?;
        let address = received.address.as_ref().and_then(socket_address);
        let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let asked = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => Some(Asked::V4(in_pktinfo {
                // By the way that the route says, not necessarily back where it came from.
                ipi_ifindex: 0,
                ..info
            })),
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(Asked::V6(in6_pktinfo {
                ipi6_ifindex: 0,
                ..info
            })),
            _ => None,
        });
        let asked = asked.unwrap_or(Asked::Bound);
        Ok((received.bytes, Origin { address, asked }))
    }

    /// Answers.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn send(&self, octets: &[u8], to: &Origin) -> io::Result<()> {
        let control = match &to.asked {
            Asked::Bound => return self.socket.send_to(octets, to.address).map(drop),
            Asked::V4(info) => [ControlMessage::Ipv4PacketInfo(info)],
            Asked::V6(info) => [ControlMessage::Ipv6PacketInfo(info)],
        };
        let address = SockaddrStorage::from(to.address);
        let (socket, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
        let parts = [IoSlice::new(octets)];
        sendmsg(socket, &parts, &control, flags, Some(&address))?;
        Ok(())
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v6 = address.as_sockaddr_in6().copied().map(SocketAddr::from);
    let v4 = address.as_sockaddr_in().copied();
    v6.or_else(|| v4.map(|v4| SocketAddr::V4(v4.into())))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    /// Asks at `to`; the answer must come from there, or the connected socket does not get it.
    fn exchange(datagrams: &Datagrams, from: &str, to: SocketAddr) {
        let client = UdpSocket::bind(from).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        client.connect(to).unwrap();
        client.send(b"question").unwrap();
        let mut buffer = [0; 100];
        let (length, origin) = datagrams.receive(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"question");
        datagrams.send(b"answer", &origin).unwrap();
        let length = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"answer");
    }

    fn bound(address: &str) -> (Datagrams, u16) {
        let datagrams = Datagrams::bind(address.parse().unwrap()).unwrap();
        let port = datagrams.socket.local_addr().unwrap().port();
        (datagrams, port)
    }

    #[test]
    fn the_address_that_was_asked_answers() {
        let (datagrams, port) = bound("[::]:0");
        exchange(
            &datagrams,
            "[::1]:0",
            format!("[::1]:{port}").parse().unwrap(),
        );
        // The route would suggest 127.0.0.1.
        for host in ["127.0.0.1", "127.0.0.2"] {
            exchange(
                &datagrams,
                "127.0.0.1:0",
                format!("{host}:{port}").parse().unwrap(),
            );
        }
        let (datagrams, port) = bound("0.0.0.0:0");
        exchange(
            &datagrams,
            "127.0.0.1:0",
            format!("127.0.0.2:{port}").parse().unwrap(),
        );
        let (datagrams, port) = bound("[::1]:0");
        exchange(
            &datagrams,
            "[::1]:0",
            format!("[::1]:{port}").parse().unwrap(),
        );
    }
}
