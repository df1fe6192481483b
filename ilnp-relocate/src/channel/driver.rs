//! The task behind a connection: opens and takes streams, moves their frames, and ends.

use core::pin::pin;
use core::task::{Context, Poll};
use std::future::poll_fn;

use tokio::io::BufWriter;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};
use tokio_util::sync::CancellationToken;
use yamux::{Config, ConnectionError, FrameDecodeError, Mode};

use super::copy::{CopyStream, Octets};
use super::reception::Reception;
use super::socket::Wire;
use super::{CLOSING, ChannelError, MOST_STREAMS, RECEIVE_WINDOW, orders};
use crate::site::Site;
use crate::tls::{self, Chain, Identity, Secured};

/// A frame of yamux carries at most so much. Frames of different streams alternate.
const FRAME: usize = 64 * 1024;

/// Which side dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Dialler,
    Listener,
}

/// What the task and the handles of a connection share: the task's ends of it.
pub(super) struct Ends {
    pub(super) peer: Site,
    /// Orders to send.
    pub(super) orders: mpsc::Receiver<Vec<u8>>,
    /// Orders that came.
    pub(super) received: mpsc::Sender<Vec<u8>>,
    /// Copies that the other side has opened.
    pub(super) copies: mpsc::Sender<CopyStream>,
    /// Wishes for a new stream.
    pub(super) opens: mpsc::Receiver<oneshot::Sender<Octets>>,
    /// Why the connection is gone, once it is.
    pub(super) ended: watch::Sender<Option<ChannelError>>,
    /// Told when it is to be closed.
    pub(super) closing: CancellationToken,
}

/// Runs a connection to its end.
pub(super) async fn run(
    stream: Secured<Wire>,
    side: Side,
    identity: Identity,
    chain: Chain,
    ends: Ends,
) {
    let Ends {
        peer,
        orders,
        received,
        copies,
        opens,
        ended,
        closing,
    } = ends;
    let mut driver = Driver::new(stream, side, &peer, opens);
    let (fail, mut failures) = mpsc::channel(1);
    let reception = Reception::new(peer.clone(), received, copies, ended.subscribe(), fail);
    let mut openings = JoinSet::new();

    let reason = match driver.orders().await {
        Err(reason) => reason,
        Ok(own) => {
            let mut distrusted = pin!(identity.distrusted(&chain));
            let mut writing = pin!(orders::write(own, orders, closing.clone()));
            let mut written = false;
            let mut patience = pin!(sleep(CLOSING));
            loop {
                tokio::select! {
                    // A task may do so much at a time: frames take what the others leave.
                    biased;
                    // The other side has read every order when it sees the end of them, and closes.
                    _ = &mut writing, if !written => {
                        written = true;
                        patience.set(sleep(CLOSING));
                    }
                    () = &mut patience, if written => break ChannelError::Lost {
                        peer: peer.clone(),
                        reason: "orders cannot be sent any more".to_owned(),
                    },
                    Some(reason) = failures.recv() => break reason,
                    Some(_) = openings.join_next() => {}
                    reason = &mut distrusted => {
                        break ChannelError::Distrusted { peer: peer.clone(), reason };
                    }
                    event = driver.next() => match event {
                        Event::Inbound(octets) => {
                            openings.spawn(reception.clone().take(octets));
                        }
                        Event::Ended(reason) => break reason,
                    },
                }
            }
        }
    };
    let reason = match reason {
        _ if closing.is_cancelled() => ChannelError::Closed(peer.clone()),
        reason => reason,
    };
    // Before the streams end: whoever sees one cut can say why.
    ended.send_replace(Some(reason));
    let _ = timeout(CLOSING, poll_fn(|cx| driver.multiplexer.poll_close(cx))).await;
    // What has arrived can still be read.
    openings.detach_all();
}

struct Driver<'a> {
    multiplexer: yamux::Connection<Compat<BufWriter<Secured<Wire>>>>,
    peer: &'a Site,
    opens: mpsc::Receiver<oneshot::Sender<Octets>>,
    /// The wish that is being fulfilled.
    open: Option<oneshot::Sender<Octets>>,
}

enum Event {
    Inbound(Octets),
    Ended(ChannelError),
}

impl<'a> Driver<'a> {
    fn new(
        stream: Secured<Wire>,
        side: Side,
        peer: &'a Site,
        opens: mpsc::Receiver<oneshot::Sender<Octets>>,
    ) -> Self {
        let mut config = Config::default();
        config.set_max_num_streams(MOST_STREAMS);
        config.set_max_connection_receive_window(Some(RECEIVE_WINDOW));
        config.set_split_send_size(FRAME);
        let mode = match side {
            Side::Dialler => Mode::Client,
            Side::Listener => Mode::Server,
        };
        // Header and body of a frame go out together.
        let stream = BufWriter::with_capacity(FRAME + 1024, stream).compat();
        let multiplexer = yamux::Connection::new(stream, config, mode);
        Self {
            multiplexer,
            peer,
            opens,
            open: None,
        }
    }

    /// Opens the stream for this side's orders.
    async fn orders(&mut self) -> Result<Octets, ChannelError> {
        match poll_fn(|cx| self.multiplexer.poll_new_outbound(cx)).await {
            Ok(stream) => Ok(stream.compat()),
            Err(error) => Err(self.lost(&error)),
        }
    }

    async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if self.open.is_none()
                && let Poll::Ready(Some(open)) = self.opens.poll_recv(cx)
            {
                self.open = Some(open);
            }
            if let Some(open) = self.open.take() {
                match self.multiplexer.poll_new_outbound(cx) {
                    Poll::Ready(Ok(stream)) => {
                        // Nobody may want it any more; then it is dropped again.
                        let _ = open.send(stream.compat());
                        continue;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Event::Ended(self.lost(&error))),
                    Poll::Pending => self.open = Some(open),
                }
            }
            return match self.multiplexer.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream))) => Poll::Ready(Event::Inbound(stream.compat())),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Event::Ended(self.lost(&error))),
                Poll::Ready(None) => {
                    Poll::Ready(Event::Ended(ChannelError::ClosedByPeer(self.peer.clone())))
                }
                Poll::Pending => Poll::Pending,
            };
        }
    }

    fn lost(&self, error: &ConnectionError) -> ChannelError {
        let peer = self.peer.clone();
        match error {
            ConnectionError::Closed => ChannelError::ClosedByPeer(peer),
            ConnectionError::Io(error) | ConnectionError::Decode(FrameDecodeError::Io(error)) => {
                ChannelError::Lost {
                    peer,
                    reason: tls::explain(error),
                }
            }
            error => ChannelError::Protocol {
                peer,
                reason: error.to_string(),
            },
        }
    }
}
