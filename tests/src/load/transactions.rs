//! One octet there, one octet back, over one TCP connection.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddrV6, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Answers one client until it closes the connection.
///
/// # Errors
/// As the sockets do.
pub fn serve(listener: &TcpListener) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut octet = [0];
    while stream.read(&mut octet)? == 1 {
        stream.write_all(&octet)?;
    }
    Ok(())
}

/// How many transactions are done within `duration`.
///
/// # Errors
/// As the socket does.
pub fn run(server: SocketAddrV6, duration: Duration) -> io::Result<u64> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut octet = [1];
    let mut done = 0;
    let end = Instant::now() + duration;
    while Instant::now() < end {
        stream.write_all(&octet)?;
        stream.read_exact(&mut octet)?;
        done += 1;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_counted() {
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let std::net::SocketAddr::V6(address) = listener.local_addr().unwrap() else {
            panic!("bound to ::1");
        };
        let server = std::thread::spawn(move || serve(&listener));
        assert!(run(address, Duration::from_millis(50)).unwrap() > 10);
        server.join().unwrap().unwrap();
    }
}
