//! The near end of probes whose far end is in a virtual machine.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use super::echo::{ECHO, MARK};
use super::{HELLO, RETRY, Record, START, STOP, Settings, arrival, probe};
use crate::clock::Clock;
use crate::error::{Doing, LabError};
use crate::measure::flow::{Arrival, Flow, Unit};
use crate::realtime::prefer_this_thread;
use crate::workload::pace::Pacer;
use crate::workload::{Observed, Session};

/// Probes under way.
pub(super) struct Remote {
    wire: Arc<Wire>,
    sender: Option<Pacer>,
    receiver: Option<JoinHandle<Option<io::Error>>>,
    /// What comes back.
    echoes: Record,
    /// What the far end sends of itself.
    own: Record,
    settings: Settings,
    from: String,
    to: String,
}

/// What carries the probes.
pub(super) enum Wire {
    Datagrams(UdpSocket),
    Stream(TcpStream),
}

impl Remote {
    /// Starts to send probes from `from` on a way that is open to `to`.
    pub(super) fn start(
        wire: Wire,
        (from, to): (&str, &str),
        settings: &Settings,
        clock: Clock,
    ) -> Result<Self, LabError> {
        let wire = Arc::new(wire);
        let (echoes, own) = (Record::default(), Record::default());
        let receiver = {
            let (wire, echoes, own) = (Arc::clone(&wire), echoes.clone(), own.clone());
            let length = settings.length;
            std::thread::Builder::new()
                .name("lab-receive".to_owned())
                .spawn(move || receive(&wire, length, &echoes, &own, clock).err())
                .doing(|| "start a thread".to_owned())?
        };
        let mut session = Self {
            wire: Arc::clone(&wire),
            sender: None,
            receiver: Some(receiver),
            echoes,
            own,
            settings: *settings,
            from: from.to_owned(),
            to: to.to_owned(),
        };
        if settings.outward() {
            let length = settings.length;
            let send = move |number| wire.send(&probe(number, clock.now(), length));
            session.sender = Some(Pacer::punctual(settings.interval, send)?);
        }
        Ok(session)
    }

    /// Takes the probes that came back since the last time, and says whether more may come.
    pub(super) fn take_echoes(&self) -> (Vec<Arrival>, bool) {
        let goes_on = self.receiver.as_ref().is_some_and(|r| !r.is_finished());
        (self.echoes.take(), goes_on)
    }

    /// Ends the receiver, and returns the error that broke a connection.
    fn end(&mut self) -> Option<String> {
        self.echoes.stop();
        self.own.stop();
        self.wire.close();
        // A sender may hang in a full connection until it is closed.
        if let Some(sender) = &mut self.sender {
            sender.stop();
        }
        match self.receiver.take().map(JoinHandle::join) {
            Some(Ok(error)) => error.map(|error| error.to_string()),
            Some(Err(_)) => Some("the receiving thread panicked".to_owned()),
            None => None,
        }
    }

    fn flow(&self, from: &str, sent: Option<u64>, record: &Record) -> Flow {
        let unit = if self.settings.over_tcp {
            Unit::Records
        } else {
            Unit::Packets
        };
        Flow {
            from: from.to_owned(),
            to: self.from.clone(),
            unit,
            sent,
            arrivals: record.take(),
            complete: None,
        }
    }
}

impl Session for Remote {
    fn is_established(&mut self) -> bool {
        let is_there = |wanted: bool, record: &Record| !wanted || !record.is_empty();
        is_there(self.settings.outward(), &self.echoes)
            && is_there(self.settings.inward(), &self.own)
    }

    fn stop_sending(&mut self) {
        if let Some(sender) = &mut self.sender {
            sender.request_stop();
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Observed, LabError> {
        let failure = self.end();
        let sent = self.sender.as_ref().map(Pacer::count);
        let mut flows = vec![];
        if self.settings.outward() {
            flows.push(self.flow(&self.from, sent, &self.echoes));
        }
        if self.settings.inward() {
            flows.push(self.flow(&self.to, None, &self.own));
        }
        let over_tcp = self.settings.over_tcp;
        let intact = over_tcp.then(|| flows.iter().all(super::is_contiguous));
        Ok(Observed {
            flows,
            failure,
            intact,
        })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.end();
    }
}

/// Opens a connection.
fn connect(remote: SocketAddr) -> io::Result<Wire> {
    let stream = TcpStream::connect_timeout(&remote, START)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STOP))?;
    Ok(Wire::Stream(stream))
}

/// Opens a socket and says hello until the far end does.
fn greet(remote: SocketAddr) -> io::Result<Wire> {
    let socket = UdpSocket::bind(SocketAddr::from(([0u16; 8], 0)))?;
    socket.connect(remote)?;
    socket.set_read_timeout(Some(RETRY))?;
    let end = Instant::now() + START;
    while Instant::now() < end {
        // A port that is not reachable yet is tried again.
        let _ = socket.send(HELLO);
        if socket.recv(&mut [0; HELLO.len()]).is_ok() {
            socket.set_read_timeout(Some(STOP))?;
            return Ok(Wire::Datagrams(socket));
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

impl Wire {
    /// Opens a way to a far end that answers.
    pub(super) fn open(remote: SocketAddr, over_tcp: bool) -> io::Result<Self> {
        if over_tcp {
            connect(remote)
        } else {
            greet(remote)
        }
    }

    /// Sends a probe; a connection that is broken takes none.
    fn send(&self, octets: &[u8]) -> bool {
        match self {
            // A datagram that cannot be sent is one that is lost.
            Self::Datagrams(socket) => {
                let _ = socket.send(octets);
                true
            }
            Self::Stream(stream) => (&mut &*stream).write_all(octets).is_ok(),
        }
    }

    /// Reads on; `filled` octets of a probe are there. Returns how many are there then.
    fn read(&self, buffer: &mut [u8], filled: usize) -> io::Result<usize> {
        match self {
            Self::Datagrams(socket) => Ok(socket.recv(buffer).unwrap_or(0)),
            Self::Stream(stream) => match (&mut &*stream).read(&mut buffer[filled..]) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => Ok(filled + length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(filled),
                Err(error) => Err(error),
            },
        }
    }

    fn close(&self) {
        if let Self::Stream(stream) = self {
            // It may be closed already, by an error.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn receive(
    wire: &Wire,
    length: u16,
    echoes: &Record,
    own: &Record,
    clock: Clock,
) -> io::Result<()> {
    prefer_this_thread();
    let mut buffer = vec![0; length.into()];
    let mut filled = 0;
    while !own.is_stopped() {
        filled = match wire.read(&mut buffer, filled) {
            // That it is closed at the end is no failure.
            Err(_) if own.is_stopped() => return Ok(()),
            read => read?,
        };
        let Some(mut arrival) = arrival(&buffer, clock.now()).filter(|_| filled == buffer.len())
        else {
            continue;
        };
        filled = 0;
        if buffer[MARK] == ECHO {
            echoes.push(arrival);
        } else {
            arrival.delay = None;
            own.push(arrival);
        }
    }
    Ok(())
}
