//! TCP (RFC 7766): hickory's server has the connections, and this answers their requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::hickory::server::{Respond, Sealed, serve_tcp};
use crate::server::answer::{Answerer, Peer, Response, Transfer, Transport, Verdict};
use crate::server::writer::Writer;

/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(30);
/// How many messages of a transfer are made before they are taken.
const AHEAD: usize = 4;

/// Accepts connections for ever.
pub(in crate::server) async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    answerer: Arc<Answerer>,
    writer: Writer,
) {
    let endpoint = Endpoint { answerer, writer };
    if let Err(error) = serve_tcp(listener, IDLE, endpoint).await {
        tracing::error!(%address, error, "TCP is not served any more: restart the server");
    }
}

struct Endpoint {
    answerer: Arc<Answerer>,
    writer: Writer,
}

impl Respond for Endpoint {
    fn respond(&self, request: &[u8], from: SocketAddr) -> mpsc::Receiver<Sealed> {
        let peer = Peer {
            address: from,
            transport: Transport::Tcp,
        };
        let (answer, receiver) = mpsc::channel(AHEAD);
        match self.answerer.judge(request, peer) {
            Verdict::Reply(response) => send(&answer, *response),
            Verdict::Silence => {}
            Verdict::Update(update) => {
                let reply = move |response| send(&answer, response);
                self.writer.update(update, Box::new(reply));
            }
            // On a thread of its own: a large zone is much to read.
            Verdict::Transfer(transfer) => {
                tokio::task::spawn_blocking(move || send_all(&answer, *transfer));
            }
        }
        receiver
    }
}

fn send(answer: &mpsc::Sender<Sealed>, response: Response) {
    // There is room for one. The connection may be gone: an update is done all the same.
    let _ = answer.try_send(Sealed {
        message: response.message,
        seal: Some(response.seal),
    });
}

fn send_all(answer: &mpsc::Sender<Sealed>, mut transfer: Transfer) {
    let mut seal = Some(transfer.take_seal());
    transfer.send(|message| {
        let next = Sealed {
            message,
            seal: seal.take(),
        };
        answer.blocking_send(next).is_ok()
    });
}
