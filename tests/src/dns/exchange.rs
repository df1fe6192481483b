//! One request, one answer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::answer::{Answer, Record};
use super::rtype::SOA;

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

/// A connection to a server.
#[derive(Debug)]
pub struct Connection(TcpStream);

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When the server does not accept within five seconds.
    pub fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Sends a message with its length in front.
    ///
    /// # Errors
    /// As the connection does.
    pub fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let mut framed = u16::try_from(message.len())?.to_be_bytes().to_vec();
        framed.extend(message);
        Ok(self.0.write_all(&framed)?)
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// As the connection does.
    pub fn send_octets(&mut self, octets: &[u8]) -> anyhow::Result<()> {
        Ok(self.0.write_all(octets)?)
    }

    /// The next message.
    ///
    /// # Errors
    /// When none comes within five seconds, or the server closes the connection.
    pub fn receive(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut message)?;
        Ok(message)
    }
}

/// Asks over TCP.
///
/// # Errors
/// As [`Connection`], and for an answer that cannot be read.
pub fn tcp(server: SocketAddr, request: &[u8]) -> anyhow::Result<Answer> {
    let mut connection = Connection::open(server)?;
    connection.send(request)?;
    Answer::read(&connection.receive()?)
}

/// All records of a transfer, and the number of messages that it took. Signatures are not checked.
///
/// # Errors
/// As [`tcp`]; when it is refused; and when it does not end as it begins, with the SOA record.
pub fn transfer(server: SocketAddr, request: &[u8]) -> anyhow::Result<(Vec<Record>, usize)> {
    let mut connection = Connection::open(server)?;
    connection.send(request)?;
    let mut records = vec![];
    let mut messages = 0;
    loop {
        let answer = Answer::read(&connection.receive()?)?;
        ensure!(answer.rcode() == 0, "refused: {}", answer.rcode());
        messages += 1;
        let [answers, ..] = answer.sections;
        records.extend(answers);
        // Both have the same data, with its names compressed in different ways.
        let is_end = |record: &Record| record.rtype == SOA;
        if records.len() > 1 && records.last().is_some_and(is_end) {
            records.pop();
            return Ok((records, messages));
        }
    }
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
