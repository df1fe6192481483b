//! The relay before the target's daemon.
//!
//! The other site's agent is known, but a libvirt connection is as good as being root. So nothing
//! passes but one migration, on [our terms](Terms); and a connection that breaks once the source has
//! sent everything does not end the guest that has arrived.

use std::io;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::frame::{self, Frame, Kind, Procedure};
use super::migration::{self, Terms};
use super::refusal;

/// How far the arrival of the guest is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::libvirt) enum Arrival {
    /// Nothing has been decided.
    Awaited,
    /// The whole state has been loaded. The guest does not run.
    Loaded,
    /// It will not arrive any more.
    Failed(String),
}

/// The listening relay. Dropping it closes it, and what still goes on over it ends.
pub(in crate::libvirt) struct Incoming {
    arrival: watch::Receiver<Arrival>,
    socket: PathBuf,
    _task: AbortOnDropHandle<()>,
}

impl Incoming {
    /// Listens on `socket` for what is to reach the daemon that listens on `daemon`.
    pub(in crate::libvirt) fn listen(
        socket: &Path,
        daemon: PathBuf,
        terms: Terms,
    ) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let (sender, arrival) = watch::channel(Arrival::Awaited);
        let task = tokio::spawn(async move {
            // One migration at a time: one client at a time.
            while let Ok((client, _)) = listener.accept().await {
                match UnixStream::connect(&daemon).await {
                    Ok(daemon) => serve(client, daemon, &terms, &sender).await,
                    Err(error) => {
                        let reason = format!("{} does not answer: {error}", daemon.display());
                        sender.send_replace(Arrival::Failed(reason));
                    }
                }
            }
        });
        Ok(Self {
            arrival,
            socket: socket.to_owned(),
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Where it listens.
    pub(in crate::libvirt) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Waits until the guest has arrived, or will not.
    pub(in crate::libvirt) async fn arrived(&mut self) -> Result<(), String> {
        let arrival = self
            .arrival
            .wait_for(|arrival| *arrival != Arrival::Awaited)
            .await;
        match arrival.as_deref() {
            Ok(Arrival::Loaded) => Ok(()),
            Ok(Arrival::Failed(reason)) => Err(reason.clone()),
            Ok(Arrival::Awaited) | Err(_) => Err("the relay before libvirt has ended".to_owned()),
        }
    }
}

/// What the calls so far have come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    /// A QEMU waits for the guest, or soon will.
    Prepared,
    /// The source has sent everything, and the daemon has not answered yet.
    Finishing,
    /// The daemon has answered.
    Over,
}

async fn serve(
    client: UnixStream,
    daemon: UnixStream,
    terms: &Terms,
    arrival: &watch::Sender<Arrival>,
) {
    let (from_client, mut to_client) = client.into_split();
    let (from_daemon, mut to_daemon) = daemon.into_split();
    let (sender, mut calls) = mpsc::channel(1);
    let mut readers = JoinSet::new();
    readers.spawn(frame::read_all(from_client, sender));
    let (sender, mut replies) = mpsc::channel(1);
    readers.spawn(frame::read_all(from_daemon, sender));

    let mut stage = Stage::Before;
    loop {
        let passed = tokio::select! {
            call = calls.recv(), if stage != Stage::Finishing => {
                let Some(call) = call else { break };
                match migration::on_terms(&call, terms) {
                    Ok(call) => {
                        stage = after(&call, stage);
                        call.write(&mut to_daemon).await
                    }
                    Err(refused) => {
                        tracing::warn!(domain = terms.name, %refused, "a call to libvirt was refused");
                        match refusal::of(&call, &refused.to_string()) {
                            Ok(reply) => reply.write(&mut to_client).await,
                            Err(_) => break,
                        }
                    }
                }
            }
            reply = replies.recv() => {
                let Some(reply) = reply else { break };
                if stage == Stage::Finishing && answers_finish(&reply) {
                    stage = Stage::Over;
                    arrival.send_replace(if reply.succeeded() {
                        Arrival::Loaded
                    } else {
                        Arrival::Failed(refusal::reason(&reply))
                    });
                }
                // The client may be gone by now, and does not matter any more.
                reply.write(&mut to_client).await.or(Ok(()))
            }
        };
        if passed.is_err() {
            break;
        }
    }
    if matches!(stage, Stage::Prepared | Stage::Finishing) {
        let reason = "the connection to libvirt ended before the guest had arrived";
        arrival.send_replace(Arrival::Failed(reason.to_owned()));
    }
}

fn after(call: &Frame, stage: Stage) -> Stage {
    match call.procedure() {
        Procedure::Prepare => Stage::Prepared,
        Procedure::Finish if migration::everything_sent(call) => Stage::Finishing,
        Procedure::Session | Procedure::Finish | Procedure::Other(_) => stage,
    }
}

fn answers_finish(reply: &Frame) -> bool {
    reply.kind() == Kind::Reply && reply.procedure() == Procedure::Finish
}
