//! One request, one answer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::answer::Answer;

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A socket that talks to one server.
///
/// # Errors
/// As the socket does.
pub fn socket(server: SocketAddr) -> std::io::Result<UdpSocket> {
    let own = if server.is_ipv4() {
        "127.0.0.1:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(own)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Asks over UDP, and returns the octets of the answer; `None` when none comes within `limit`.
///
/// # Errors
/// As the socket does.
pub fn udp_octets(
    server: SocketAddr,
    request: &[u8],
    limit: Duration,
) -> anyhow::Result<Option<Vec<u8>>> {
    let socket = socket(server)?;
    socket.set_read_timeout(Some(limit))?;
    socket.send(request)?;
    let mut buffer = vec![0; 65_535];
    match socket.recv(&mut buffer) {
        Ok(length) => Ok(Some(buffer[..length].to_vec())),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Asks over UDP.
///
/// # Errors
/// When there is no answer within five seconds, or one that cannot be read or to something else.
pub fn udp(server: SocketAddr, request: &[u8]) -> anyhow::Result<Answer> {
    let octets = udp_octets(server, request, PATIENCE)?.context("no answer")?;
    let answer = Answer::read(&octets)?;
    ensure!(answer.id.to_be_bytes() == request[..2], "another id");
    Ok(answer)
}

/// Asks over TCP, and returns all messages that come until the server closes the connection or is
/// silent for `silence`.
///
/// # Errors
/// When the connection is refused, and for messages that cannot be read.
pub fn tcp(server: SocketAddr, request: &[u8], silence: Duration) -> anyhow::Result<Vec<Answer>> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(silence))?;
    let mut framed = u16::try_from(request.len())?.to_be_bytes().to_vec();
    framed.extend(request);
    stream.write_all(&framed)?;
    let mut answers = vec![];
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message)?;
        answers.push(Answer::read(&message)?);
    }
    Ok(answers)
}

/// Asks for the records of a type until what comes is as wanted, and says how long that took.
///
/// # Errors
/// With the last answer, when it is not so within `limit`.
pub fn until(
    server: SocketAddr,
    question: &[u8],
    limit: Duration,
    mut wanted: impl FnMut(&Answer) -> bool,
) -> anyhow::Result<Duration> {
    let start = Instant::now();
    loop {
        let answer = udp(server, question)?;
        if wanted(&answer) {
            return Ok(start.elapsed());
        }
        ensure!(start.elapsed() < limit, "still {answer:?}");
    }
}
