//! The TCP and UDP sockets of this host, as the kernel lists them.

use std::io::{self, BufRead as _, BufReader};
use std::net::Ipv6Addr;

/// The kernel makes its list in pieces as large as one reads it, and each costs.
const PIECE: usize = 1 << 16;
/// The number of the retransmission timer in the kernel's list.
const RETRANSMISSION: &str = "01";

/// A transport protocol whose sockets are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// Its IPv6 sockets in this network namespace, in the kernel's order.
    ///
    /// # Errors
    /// When `/proc/net` cannot be read.
    pub fn sockets(self) -> io::Result<impl Iterator<Item = io::Result<Socket>>> {
        let list = std::fs::File::open(format!("/proc/thread-self/net/{}6", self.name()))?;
        let lines = BufReader::with_capacity(PIECE, list).lines().skip(1);
        Ok(lines.filter_map(|line| match line {
            Ok(line) => Socket::parse(&line).map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }
}

/// A socket: a line of `/proc/net/tcp6` or `/proc/net/udp6`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its address and port.
    pub local: (Ipv6Addr, u16),
    /// Those of the other end.
    pub remote: (Ipv6Addr, u16),
    /// Its state as `ss` names it.
    pub state: &'static str,
    /// How many retransmissions of TCP's first octets that are not acknowledged have timed out by
    /// now.
    pub timeouts: u32,
}

impl Socket {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, remote) = (endpoint(fields.next()?)?, endpoint(fields.next()?)?);
        let state = state_name(fields.next()?)?;
        let _queues = fields.next()?;
        let (timer, _) = fields.next()?.split_once(':')?;
        let timeouts = u32::from_str_radix(fields.next()?, 16).ok()?;
        Some(Self {
            local,
            remote,
            state,
            timeouts: if timer == RETRANSMISSION { timeouts } else { 0 },
        })
    }
}

/// Reads `ADDRESS:PORT`: the address as four words, each as the processor would print it.
fn endpoint(text: &str) -> Option<(Ipv6Addr, u16)> {
    let (address, port) = text.split_once(':')?;
    if address.len() != 32 {
        return None;
    }
    let mut octets = [0; 16];
    for (index, word) in octets.chunks_exact_mut(4).enumerate() {
        let digits = address.get(index * 8..index * 8 + 8)?;
        word.copy_from_slice(&u32::from_str_radix(digits, 16).ok()?.to_ne_bytes());
    }
    Some((octets.into(), u16::from_str_radix(port, 16).ok()?))
}

/// The kernel's `TCP_*` states; UDP sockets use the first and the seventh.
fn state_name(code: &str) -> Option<&'static str> {
    const NAMES: [&str; 12] = [
        "established",
        "syn-sent",
        "syn-recv",
        "fin-wait-1",
        "fin-wait-2",
        "time-wait",
        "unconnected",
        "close-wait",
        "last-ack",
        "listen",
        "closing",
        "new-syn-recv",
    ];
    let code = usize::from_str_radix(code, 16).ok()?;
    NAMES.get(code.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn reads_a_line_of_the_kernel() {
        let line = "   1: 6E6C69FD27260070FF4F1402 64EE20FE:0016 x";
        assert_eq!(Socket::parse(line), None);
        let line = "   0: 6E6C69FD27260070FF4F140264EE20FE:8CB4 6E6C69FD27260070FF6F160266EE22FE:1451 01 00000024:00000000 01:0000001A 00000002 0 0 4711 1";
        let socket = Socket::parse(line).unwrap();
        assert_eq!(
            socket.local,
            (
                "fd69:6c6e:7000:2627:214:4fff:fe20:ee64".parse().unwrap(),
                36020
            )
        );
        assert_eq!(socket.remote.1, 5201);
        assert_eq!((socket.state, socket.timeouts), ("established", 2));
        let idle = line.replace("01:0000001A", "02:0000001A");
        assert_eq!(Socket::parse(&idle).unwrap().timeouts, 0, "another timer");
    }

    #[test]
    fn takes_no_nonsense() {
        let end = "::".repeat(16);
        let cut = format!("0: {end} {end} 01 0:0 01");
        for line in ["", "0:", "0: 1:2 3:4 01", "0: é:1 é:1 00", &cut] {
            assert_eq!(Socket::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn reads_this_machines_lists() {
        let listener = std::net::TcpListener::bind("[::1]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sockets: io::Result<Vec<_>> = Transport::Tcp.sockets().unwrap().collect();
        let found = sockets.unwrap().into_iter().find(|s| s.local.1 == port);
        assert_eq!(found.unwrap().state, "listen");
        assert!(
            Transport::Udp
                .sockets()
                .unwrap()
                .all(|socket| socket.is_ok())
        );
    }
}
