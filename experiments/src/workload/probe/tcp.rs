//! Numbered records on one TCP connection. The longest gap between two of them is how long TCP
//! stalled.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::{Record, START, STOP, Settings, arrival, is_contiguous, probe};
use crate::clock::Clock;
use crate::error::{Doing, LabError};
use crate::measure::flow::{Flow, Unit};
use crate::realtime::prefer_this_thread;
use crate::topology::Host;
use crate::workload::pace::Pacer;
use crate::workload::{Observed, Session};

/// A connection that carries records.
pub(super) struct Tcp {
    ways: Vec<Way>,
    near: TcpStream,
    far: TcpStream,
}

/// One direction.
struct Way {
    sender: Pacer,
    receiver: Option<JoinHandle<Option<io::Error>>>,
    record: Record,
    from: String,
    to: String,
}

impl Tcp {
    pub(super) fn start(
        (from, to): (&Host, &Host),
        remote: SocketAddr,
        settings: &Settings,
        clock: Clock,
    ) -> Result<Self, LabError> {
        let what = || format!("connect TCP {remote} from {}", from.name());
        let listener = to
            .namespace()
            .inside(|| TcpListener::bind(remote))?
            .doing(|| format!("open TCP {remote} on {}", to.name()))?;
        let near = from
            .namespace()
            .inside(|| TcpStream::connect_timeout(&remote, START))?
            .doing(what)?;
        let (far, _) = listener.accept().doing(what)?;
        for stream in [&near, &far] {
            stream.set_nodelay(true).doing(what)?;
            stream.set_read_timeout(Some(STOP)).doing(what)?;
        }
        let names = (from.name(), to.name());
        let mut ways = vec![];
        if settings.outward() {
            ways.push(Way::start(&near, &far, names, settings, clock)?);
        }
        if settings.inward() {
            ways.push(Way::start(
                &far,
                &near,
                (names.1, names.0),
                settings,
                clock,
            )?);
        }
        Ok(Self { ways, near, far })
    }

    /// Wakes every thread that waits for the connection.
    fn close(&self) {
        for stream in [&self.near, &self.far] {
            // It may be closed already, by an error.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Way {
    fn start(
        source: &TcpStream,
        sink: &TcpStream,
        (from, to): (&str, &str),
        settings: &Settings,
        clock: Clock,
    ) -> Result<Self, LabError> {
        let duplicate =
            |stream: &TcpStream| stream.try_clone().doing(|| "copy a socket".to_owned());
        let record = Record::default();
        let (mut socket, written) = (duplicate(sink)?, record.clone());
        let length = settings.length;
        let receiver = std::thread::Builder::new()
            .name("lab-receive".to_owned())
            .spawn(move || receive(&mut socket, length, &written, clock).err())
            .doing(|| "start a thread".to_owned())?;
        let mut socket = duplicate(source)?;
        let sender = Pacer::punctual(settings.interval, move |number| {
            let octets = probe(number, clock.now(), length);
            socket.write_all(&octets).is_ok()
        })?;
        Ok(Self {
            sender,
            receiver: Some(receiver),
            record,
            from: from.to_owned(),
            to: to.to_owned(),
        })
    }

    /// Ends the receiver, and returns what came and the error that broke the connection.
    fn finish(mut self) -> (Flow, Option<String>) {
        self.sender.stop();
        self.record.stop();
        let error = match self.receiver.take().map(JoinHandle::join) {
            Some(Ok(error)) => error.map(|error| error.to_string()),
            Some(Err(_)) => Some("the receiving thread panicked".to_owned()),
            None => None,
        };
        let flow = Flow {
            from: self.from,
            to: self.to,
            unit: Unit::Records,
            sent: Some(self.sender.count()),
            arrivals: self.record.take(),
            complete: None,
        };
        (flow, error)
    }
}

fn receive(socket: &mut TcpStream, length: u16, record: &Record, clock: Clock) -> io::Result<()> {
    prefer_this_thread();
    let mut buffer = vec![0; length.into()];
    let mut filled = 0;
    while !record.is_stopped() {
        match socket.read(&mut buffer[filled..]) {
            Ok(0) => return Ok(()),
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if filled == buffer.len() {
            filled = 0;
            if let Some(arrival) = arrival(&buffer, clock.now()) {
                record.push(arrival);
            }
        }
    }
    Ok(())
}

impl Session for Tcp {
    fn is_established(&mut self) -> bool {
        self.ways.iter().all(|way| !way.record.is_empty())
    }

    fn stop_sending(&mut self) {
        for way in &mut self.ways {
            way.sender.request_stop();
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Observed, LabError> {
        let ways = std::mem::take(&mut self.ways);
        for way in &ways {
            way.record.stop();
        }
        std::thread::sleep(2 * STOP);
        // A sender may hang in a full connection.
        self.close();
        let (flows, errors): (Vec<_>, Vec<_>) = ways.into_iter().map(Way::finish).unzip();
        let intact = flows.iter().all(is_contiguous);
        Ok(Observed {
            flows,
            failure: errors.into_iter().flatten().next(),
            intact: Some(intact),
        })
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        for way in &self.ways {
            way.record.stop();
        }
        self.close();
    }
}
