//! Small UDP datagrams, as many as go.

use std::io::{self, ErrorKind};
use std::net::{SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant};

/// How often the clock is looked at.
const BATCH: u32 = 64;

/// Sends datagrams of `octets` octets for as long as `duration`, as fast as the processor does.
/// Returns how many.
///
/// # Errors
/// As the socket does; a full queue is none.
pub fn flood(destination: SocketAddrV6, octets: usize, duration: Duration) -> io::Result<u64> {
    let socket = UdpSocket::bind("[::]:0")?;
    socket.connect(destination)?;
    let payload = vec![0x5a; octets];
    let end = Instant::now() + duration;
    let mut sent = 0;
    while Instant::now() < end {
        for _ in 0..BATCH {
            match socket.send(&payload) {
                Ok(_) => sent += 1,
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(sent)
}

/// Counts the datagrams that arrive within `duration`.
///
/// # Errors
/// As the socket does.
pub fn count(socket: &UdpSocket, duration: Duration) -> io::Result<u64> {
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut buffer = [0; 2048];
    let end = Instant::now() + duration;
    let mut received = 0;
    while Instant::now() < end {
        for _ in 0..BATCH {
            match socket.recv(&mut buffer) {
                Ok(_) => received += 1,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(received)
}

fn is_transient(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS) || error.kind() == ErrorKind::ConnectionRefused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_sent() {
        let socket = UdpSocket::bind("[::1]:0").unwrap();
        let std::net::SocketAddr::V6(address) = socket.local_addr().unwrap() else {
            panic!("bound to ::1");
        };
        let sender = std::thread::spawn(move || flood(address, 64, Duration::from_millis(100)));
        let received = count(&socket, Duration::from_millis(300)).unwrap();
        let sent = sender.join().unwrap().unwrap();
        assert!(received > 0 && received <= sent, "{received} of {sent}");
    }
}
