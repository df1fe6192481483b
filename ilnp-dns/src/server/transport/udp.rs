//! UDP: a thread for each core, each with a socket of its own.
//!
//! A query is answered on the thread that read it, without a queue or a task in between.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use super::datagram::{Datagrams, Peer};
use crate::server::answer::{Answerer, Response, Transport, Verdict};
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
                Ok((_, peer)) if peer.address.port() == 0 => {}
                Ok((length, peer)) => self.answer(&buffer[..length], peer),
                // An ICMP error about an answer that was sent; the next call receives.
                Err(error) => tracing::debug!(%error, "a datagram was not received"),
            }
        }
    }

    fn answer(&self, wire: &[u8], peer: Peer) {
        match self.answerer.judge(wire, Transport::Udp) {
            Verdict::Reply(response) => send(&self.socket, *response, peer),
            Verdict::Silence => {}
            Verdict::Update(update) => {
                let socket = Arc::clone(&self.socket);
                let reply = move |response| send(&socket, response, peer);
                self.writer.update(update, Box::new(reply));
            }
            // Judged for UDP, none is a transfer.
            Verdict::Transfer(_) => {}
        }
    }
}

fn send(socket: &Datagrams, response: Response, peer: Peer) {
    if let Err(error) = socket.send(&response.into_wire(), &peer) {
        tracing::debug!(%error, peer = %peer.address, "an answer was not sent");
    }
}
