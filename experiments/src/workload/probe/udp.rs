//! Numbered datagrams. The sockets are connected, as those of a program that keeps a session are:
//! their addresses are those of the start for good.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use super::{HELLO, RETRY, Record, START, STOP, Settings, arrival, probe};
use crate::clock::Clock;
use crate::error::{Doing, LabError};
use crate::measure::flow::{Flow, Unit};
use crate::realtime::prefer_this_thread;
use crate::topology::Host;
use crate::workload::pace::Pacer;
use crate::workload::{Observed, Session};

/// Datagrams under way.
pub(super) struct Udp {
    ways: Vec<Way>,
}

/// One direction.
struct Way {
    sender: Pacer,
    receiver: Option<JoinHandle<()>>,
    record: Record,
    from: String,
    to: String,
}

impl Udp {
    pub(super) fn start(
        (from, to): (&Host, &Host),
        remote: SocketAddr,
        settings: &Settings,
        clock: Clock,
    ) -> Result<Self, LabError> {
        let bind = |address: SocketAddr| {
            let socket = UdpSocket::bind(address)?;
            socket.set_read_timeout(Some(RETRY))?;
            Ok::<_, io::Error>(socket)
        };
        let far = to
            .namespace()
            .inside(|| bind(remote))?
            .doing(|| format!("open UDP {remote} on {}", to.name()))?;
        let near = from
            .namespace()
            .inside(|| {
                let socket = bind(SocketAddr::from(([0u16; 8], 0)))?;
                socket.connect(remote)?;
                Ok::<_, io::Error>(socket)
            })?
            .doing(|| format!("connect UDP {remote} on {}", from.name()))?;
        if !meet(&near, &far) {
            return Err(LabError::TimedOut {
                what: format!("an answer from UDP {remote} on {}", to.name()),
                seconds: START.as_secs(),
                hint: format!("is there a way from {}?", from.name()),
            });
        }
        let (near, far) = (Arc::new(near), Arc::new(far));
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
        Ok(Self { ways })
    }
}

/// Lets the far end learn the near end's address, and connects it.
fn meet(near: &UdpSocket, far: &UdpSocket) -> bool {
    let end = Instant::now() + START;
    let mut buffer = [0; HELLO.len()];
    while Instant::now() < end {
        // A port that is not reachable yet is tried again.
        let _ = near.send(HELLO);
        if let Ok((_, peer)) = far.recv_from(&mut buffer)
            && far.connect(peer).is_ok()
            && far.send(HELLO).is_ok()
            && near.recv(&mut buffer).is_ok()
        {
            return true;
        }
    }
    false
}

impl Way {
    fn start(
        source: &Arc<UdpSocket>,
        sink: &Arc<UdpSocket>,
        (from, to): (&str, &str),
        settings: &Settings,
        clock: Clock,
    ) -> Result<Self, LabError> {
        let (record, length) = (Record::default(), settings.length);
        let (socket, written) = (Arc::clone(sink), record.clone());
        socket
            .set_read_timeout(Some(STOP))
            .doing(|| "set a time limit".to_owned())?;
        let receiver = std::thread::Builder::new()
            .name("lab-receive".to_owned())
            .spawn(move || receive(&socket, length, &written, clock))
            .doing(|| "start a thread".to_owned())?;
        let socket = Arc::clone(source);
        let sender = Pacer::punctual(settings.interval, move |number| {
            // A datagram that cannot be sent is one that is lost.
            let _ = socket.send(&probe(number, clock.now(), length));
            true
        })?;
        Ok(Self {
            sender,
            receiver: Some(receiver),
            record,
            from: from.to_owned(),
            to: to.to_owned(),
        })
    }

    fn finish(mut self) -> Flow {
        self.sender.stop();
        self.record.stop();
        if let Some(thread) = self.receiver.take()
            && thread.join().is_err()
        {
            tracing::error!("a receiving thread panicked");
        }
        Flow {
            from: self.from.clone(),
            to: self.to.clone(),
            unit: Unit::Packets,
            sent: Some(self.sender.count()),
            arrivals: self.record.take(),
            complete: None,
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.record.stop();
    }
}

fn receive(socket: &UdpSocket, length: u16, record: &Record, clock: Clock) {
    prefer_this_thread();
    let mut buffer = vec![0; length.into()];
    while !record.is_stopped() {
        // Errors are time limits and what ICMP told about packets sent: neither ends the flow.
        let Ok(length) = socket.recv(&mut buffer) else {
            continue;
        };
        let probe = buffer.get(..length);
        if let Some(arrival) = probe.and_then(|octets| arrival(octets, clock.now())) {
            record.push(arrival);
        }
    }
}

impl Session for Udp {
    fn is_established(&mut self) -> bool {
        self.ways.iter().all(|way| !way.record.is_empty())
    }

    fn stop_sending(&mut self) {
        for way in &mut self.ways {
            way.sender.stop();
        }
    }

    fn finish(self: Box<Self>) -> Result<Observed, LabError> {
        Ok(Observed {
            flows: self.ways.into_iter().map(Way::finish).collect(),
            failure: None,
            intact: None,
        })
    }
}
