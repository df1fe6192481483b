//! UDP: a thread for each core, each with a socket of its own.
//!
//! A query is answered on the thread that read it, without a queue or a task in between.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use super::datagram::{Datagrams, Origin};
use crate::server::answer::{Answerer, Peer, Response, Transport, Verdict};
use crate::server::writer::Writer;

/// The largest datagram.
const MAX_DATAGRAM: usize = 65_535;

/// Opens as many sockets on one address as there are threads to be.
///
/// # Errors
/// What the system says, as when another server has the address.
pub(in crate::server) fn bind(address: SocketAddr, threads: usize) -> io::Result<Vec<Datagrams>> {
    (0..threads).map(|_| Datagrams::bind(address)).collect()
}

/// Starts a thread that answers what a socket receives, until the process ends.
///
/// # Errors
/// When no thread can be started.
pub(in crate::server) fn serve(
    socket: Datagrams,
    answerer: Arc<Answerer>,
    writer: Writer,
) -> io::Result<()> {
    let thread = thread::Builder::new().name("udp".to_owned());
    let endpoint = Endpoint {
        socket: Arc::new(socket),
        answerer,
        writer,
    };
    thread.spawn(move || endpoint.run())?;
    Ok(())
}

struct Endpoint {
    socket: Arc<Datagrams>,
    answerer: Arc<Answerer>,
    writer: Writer,
}

impl Endpoint {
    fn run(self) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            match self.socket.receive(&mut buffer) {
                // Nobody can be answered on port 0.
                Ok((_, origin)) if origin.address.port() == 0 => {}
                Ok((length, origin)) => self.answer(&buffer[..length], origin),
                // An ICMP error about an answer that was sent; the next call receives.
                Err(error) => tracing::debug!(%error, "a datagram was not received"),
            }
        }
    }

    fn answer(&self, wire: &[u8], origin: Origin) {
        let peer = Peer {
            address: origin.address,
            transport: Transport::Udp,
        };
        match self.answerer.judge(wire, peer) {
            Verdict::Reply(response) => send(&self.socket, *response, origin),
            Verdict::Silence => {}
            Verdict::Update(update) => {
                let socket = Arc::clone(&self.socket);
                let reply = move |response| send(&socket, response, origin);
                self.writer.update(update, Box::new(reply));
            }
            // Judged for UDP, none is a transfer.
            Verdict::Transfer(_) => {}
        }
    }
}

fn send(socket: &Datagrams, response: Response, origin: Origin) {
    if let Err(error) = socket.send(&response.into_wire(), &origin) {
        tracing::debug!(%error, peer = %origin.address, "an answer was not sent");
    }
}
