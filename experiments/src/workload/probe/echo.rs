//! Probes with an end in a virtual machine, whose clock is not the lab's: everything is stamped at
//! the near end. The far end sends what comes back at once, and probes of its own.

use std::io::{self, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::probe;
use crate::error::{Doing, LabError};
use crate::workload::pace::Pacer;

/// The octet of a probe that says whether it has come back.
pub(super) const MARK: usize = 16;
/// The mark of a probe that has.
pub(super) const ECHO: u8 = 1;

/// What a far end is told of the probes.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// The time from one of its own to the next; `None` for no probes of its own.
    pub interval: Option<Duration>,
    /// The octets of every probe.
    pub length: u16,
}

/// Answers on a port for ever.
///
/// # Errors
/// [`LabError::Io`] when the port cannot be opened.
pub fn serve(over_tcp: bool, port: u16, own: Own) -> Result<(), LabError> {
    let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let what = || format!("answer on port {port}");
    if over_tcp {
        let listener = TcpListener::bind(address).doing(what)?;
        loop {
            // A connection that is gone ends its own service only.
            if let Ok((stream, _)) = listener.accept()
                && let Err(error) = serve_stream(stream, own)
            {
                tracing::info!(%error, "a connection ended");
            }
        }
    }
    serve_datagrams(&Arc::new(UdpSocket::bind(address).doing(what)?), own)
}

/// Sends back what comes on one connection, until its end.
fn serve_stream(mut stream: TcpStream, probes: Own) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // Two threads write whole probes.
    let output = Arc::new(Mutex::new(stream.try_clone()?));
    let own = Arc::clone(&output);
    let _sender = start(probes, move |octets| {
        let mut output = own.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(octets).is_ok()
    });
    let mut octets = vec![0; probes.length.into()];
    loop {
        stream.read_exact(&mut octets)?;
        octets[MARK] = ECHO;
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(&octets)?;
    }
}

/// Sends back every datagram to whom it came from. Who says hello gets probes from then on.
fn serve_datagrams(socket: &Arc<UdpSocket>, probes: Own) -> Result<(), LabError> {
    let mut buffer = vec![0; probes.length.into()];
    let mut sender = None;
    loop {
        // Errors are what ICMP told about datagrams sent.
        let Ok((length, peer)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let mut octets = buffer.get(..length).unwrap_or_default().to_vec();
        match octets.get_mut(MARK) {
            Some(mark) => *mark = ECHO,
            None if sender.is_none() => {
                let socket = Arc::clone(socket);
                sender = start(probes, move |octets| {
                    let _ = socket.send_to(octets, peer);
                    true
                });
            }
            None => {}
        }
        let _ = socket.send_to(&octets, peer);
    }
}

/// Starts to send probes. When they were sent is not said: the clock is another one.
fn start(
    Own { interval, length }: Own,
    mut send: impl FnMut(&[u8]) -> bool + Send + 'static,
) -> Option<Pacer> {
    let paced = Pacer::start(interval?, move |number| {
        send(&probe(number, Duration::ZERO, length))
    });
    paced
        .inspect_err(|error| tracing::error!(%error, "sends no probes"))
        .ok()
}
