//! Sessions of plain sockets, to watch from both ends.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use experiments::process;
use experiments::topology::Namespace;

const CONNECT: Duration = Duration::from_secs(10);
/// What a program may take to say what it has to.
pub(crate) const LONGEST: Duration = Duration::from_secs(120);

/// A TCP connection whose far end sends every line back.
#[derive(Debug)]
pub struct Conversation {
    stream: BufReader<TcpStream>,
    said: u64,
}

impl Conversation {
    /// Connects from one namespace to an address in another, where a listener is started.
    ///
    /// # Errors
    /// When the connection does not come within ten seconds.
    pub fn open(from: &Namespace, to: &Namespace, address: Ipv6Addr) -> anyhow::Result<Self> {
        let listener = to.inside(|| TcpListener::bind("[::]:0"))??;
        let port = listener.local_addr()?.port();
        // Ends with the connection, or when nobody comes.
        thread::spawn(move || serve_lines(&listener));
        let peer = SocketAddr::V6(SocketAddrV6::new(address, port, 0, 0));
        let stream = from
            .inside(|| TcpStream::connect_timeout(&peer, CONNECT))?
            .with_context(|| format!("connect to {peer}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            said: 0,
        })
    }

    /// Sends a line, waits for its return, and says how long that took.
    ///
    /// # Errors
    /// When the line does not come back within `limit`, or another one does.
    pub fn exchange(&mut self, limit: Duration) -> anyhow::Result<Duration> {
        self.said += 1;
        let line = format!("line {}\n", self.said);
        let start = Instant::now();
        self.stream.get_ref().set_read_timeout(Some(limit))?;
        self.stream.get_mut().write_all(line.as_bytes())?;
        let mut answer = String::new();
        self.stream
            .read_line(&mut answer)
            .with_context(|| format!("no answer to {line:?} within {limit:?}"))?;
        ensure!(answer == line, "sent {line:?}, got {answer:?}");
        Ok(start.elapsed())
    }

    /// The connection itself.
    pub fn stream(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}

fn serve_lines(listener: &TcpListener) -> io::Result<()> {
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        writer.write_all(line.as_bytes())?;
        line.clear();
    }
    Ok(())
}

/// UDP datagrams that are numbered, one way.
#[derive(Debug)]
pub struct Numbered {
    sender: UdpSocket,
    receiver: UdpSocket,
}

impl Numbered {
    /// From one namespace to an address in another, where a socket is opened.
    ///
    /// # Errors
    /// As the sockets do.
    pub fn open(from: &Namespace, to: &Namespace, address: Ipv6Addr) -> anyhow::Result<Self> {
        let receiver = to.inside(|| UdpSocket::bind("[::]:0"))??;
        let port = receiver.local_addr()?.port();
        let sender = from.inside(|| UdpSocket::bind("[::]:0"))??;
        sender.connect(SocketAddrV6::new(address, port, 0, 0))?;
        Ok(Self { sender, receiver })
    }

    /// Sends `count` datagrams, one every `interval`, and returns the numbers that arrived, in the
    /// order of their arrival; the last may take `patience`.
    ///
    /// # Errors
    /// As the sockets do; an unreachable destination is none.
    pub fn run(
        &self,
        count: u32,
        interval: Duration,
        patience: Duration,
    ) -> anyhow::Result<Vec<u32>> {
        thread::scope(|scope| {
            let receiving = scope.spawn(|| self.receive(interval * count + patience, count));
            let start = Instant::now();
            for number in 0..count {
                // A host between two sites may have no route for a moment.
                let _ = self.sender.send(&number.to_be_bytes());
                let next = interval * (number + 1);
                thread::sleep(next.saturating_sub(start.elapsed()));
            }
            Ok(receiving.join().expect("the receiver does not panic")?)
        })
    }

    fn receive(&self, limit: Duration, count: u32) -> io::Result<Vec<u32>> {
        self.receiver
            .set_read_timeout(Some(Duration::from_millis(20)))?;
        let end = Instant::now() + limit;
        let mut numbers = vec![];
        let mut octets = [0; 4];
        while Instant::now() < end && numbers.last() != Some(&(count - 1)) {
            match self.receiver.recv(&mut octets) {
                Ok(_) => numbers.push(u32::from_be_bytes(octets)),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(numbers)
    }
}

/// Sends this many octets over a TCP connection, and checks that the same ones arrive.
///
/// # Errors
/// When they do not within ten seconds.
pub fn transfer(
    from: &Namespace,
    to: &Namespace,
    address: Ipv6Addr,
    octets: usize,
) -> anyhow::Result<()> {
    let listener = to.inside(|| TcpListener::bind("[::]:0"))??;
    let port = listener.local_addr()?.port();
    let peer = SocketAddr::V6(SocketAddrV6::new(address, port, 0, 0));
    let data: Vec<u8> = (0..=u8::MAX).cycle().take(octets).collect();
    let mut sender = from
        .inside(|| TcpStream::connect_timeout(&peer, CONNECT))?
        .with_context(|| format!("connect to {peer}"))?;
    let received = thread::scope(|scope| {
        let receiving = scope.spawn(move || receive_all(&listener));
        sender.set_write_timeout(Some(CONNECT))?;
        sender.write_all(&data)?;
        drop(sender);
        receiving.join().expect("the receiver does not panic")
    })?;
    ensure!(received == data, "what arrived differs from what was sent");
    Ok(())
}

fn receive_all(listener: &TcpListener) -> io::Result<Vec<u8>> {
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(CONNECT))?;
    let mut received = vec![];
    stream.read_to_end(&mut received)?;
    Ok(received)
}

/// What a program prints.
///
/// # Errors
/// When it fails, with what it said.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = process::output(command, "", LONGEST)?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
