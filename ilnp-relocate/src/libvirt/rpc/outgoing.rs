//! The relay between `virsh` at the source and the target's daemon.
//!
//! Once the source has sent everything, `virsh` asks the target to finish, and by the answer it
//! would end the guest here, or let it run here: for the agents to decide. So it never gets the
//! answer. The daemon of the source then leaves the guest as it is: stopped, whole, and able to go
//! on, until the agents know where.

use std::io;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::frame;
use super::migration;

/// The listening relay. Dropping it ends the connection to the target: not before the target has
/// answered, or the guest has been taken back.
pub(in crate::libvirt) struct Outgoing {
    sent: watch::Receiver<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Outgoing {
    /// Listens on `socket` for one client, and connects it to `control`.
    pub(in crate::libvirt) fn listen(socket: &Path, control: PathBuf) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let (sender, sent) = watch::channel(false);
        let task = tokio::spawn(async move {
            let Ok((client, _)) = listener.accept().await else {
                return;
            };
            match UnixStream::connect(&control).await {
                Ok(control) => serve(client, control, &sender).await,
                Err(error) => {
                    tracing::warn!(%error, socket = %control.display(), "cannot reach the target's libvirt");
                }
            }
        });
        Ok(Self {
            sent,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Waits until everything has been sent. Does not return when it never will be: the client
    /// ends then, and says why.
    pub(in crate::libvirt) async fn everything_sent(&mut self) {
        if self.sent.wait_for(|sent| *sent).await.is_err() {
            std::future::pending().await
        }
    }
}

async fn serve(client: UnixStream, control: UnixStream, sent: &watch::Sender<bool>) {
    let (from_client, mut to_client) = client.into_split();
    let (from_control, mut to_control) = control.into_split();
    let (sender, mut calls) = mpsc::channel(1);
    let mut readers = JoinSet::new();
    readers.spawn(frame::read_all(from_client, sender));
    let (sender, mut replies) = mpsc::channel(1);
    readers.spawn(frame::read_all(from_control, sender));

    loop {
        let over = *sent.borrow();
        tokio::select! {
            call = calls.recv(), if !over => {
                let Some(call) = call else { break };
                if call.write(&mut to_control).await.is_err() {
                    break;
                }
                if migration::everything_sent(&call) {
                    sent.send_replace(true);
                }
            }
            reply = replies.recv() => {
                let Some(reply) = reply else { break };
                if !over && reply.write(&mut to_client).await.is_err() {
                    break;
                }
            }
        }
    }
    if *sent.borrow() {
        // The client must not learn that the connection has ended: it would let the guest run here.
        std::future::pending().await
    }
}
