//! UDP: a thread for each core, each with a socket of its own.
//!
//! A query is answered on the thread that read it, without a queue or a task in between.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;

use socket2::{Domain, Protocol, Socket, Type};

use crate::server::answer::{Answerer, Response, Transport, Verdict};
use crate::server::writer::Writer;

/// Datagrams that the kernel keeps while all threads work.
const RECEIVE_BUFFER: usize = 4 << 20;
/// The largest datagram.
const MAX_DATAGRAM: usize = 65_535;

/// Opens as many sockets on one address as there are threads to be.
///
/// # Errors
/// What the system says, as when another server has the address.
pub(in crate::server) fn bind(address: SocketAddr, threads: usize) -> io::Result<Vec<UdpSocket>> {
    let mut sockets = Vec::new();
    for _ in 0..threads {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        socket.set_reuse_port(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        // A smaller one works too.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        socket.bind(&address.into())?;
        sockets.push(socket.into());
    }
    Ok(sockets)
}

/// Starts a thread that answers what a socket receives, until the process ends.
///
/// # Errors
/// When no thread can be started.
pub(in crate::server) fn serve(
    socket: UdpSocket,
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
    socket: Arc<UdpSocket>,
    answerer: Arc<Answerer>,
    writer: Writer,
}

impl Endpoint {
    fn run(self) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            match self.socket.recv_from(&mut buffer) {
                // Nobody can be answered on port 0.
                Ok((_, peer)) if peer.port() == 0 => {}
                Ok((length, peer)) => self.answer(&buffer[..length], peer),
                // An ICMP error about an answer that was sent; the next call receives.
                Err(error) => tracing::debug!(%error, "a datagram was not received"),
            }
        }
    }

    fn answer(&self, wire: &[u8], peer: SocketAddr) {
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

fn send(socket: &UdpSocket, response: Response, peer: SocketAddr) {
    if let Err(error) = socket.send_to(&response.into_wire(), peer) {
        tracing::debug!(%error, %peer, "an answer was not sent");
    }
}
