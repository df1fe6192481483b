//! What the API asks of the task that owns the node.

use ilnp_core::id::Handle;
use ilnp_core::node::{MoveOrder, Relocation, Resolved};
use ilnp_dns::stub::Known;
use tokio::sync::oneshot;

use crate::api;
use crate::names::SessionNames;

/// A question or an order, with the way back for its answer.
#[derive(Debug)]
pub enum Request {
    /// Who is this node, and does it work?
    Status(oneshot::Sender<api::status::Status>),
    /// Whom does it talk to?
    Correspondents(oneshot::Sender<api::correspondents::Correspondents>),
    /// Where is it?
    Locators(oneshot::Sender<api::locators::Locators>),
    /// What happened to packets? The error is a text for people.
    Counters(oneshot::Sender<Result<api::counters::Counters, String>>),
    /// Act as if the host had moved. The error is a text for people.
    Move(MoveOrder, oneshot::Sender<Result<(), String>>),
    /// This host is going to be moved. Answers how many correspondents are told; the error is a text
    /// for people.
    Relocate(Relocation, oneshot::Sender<Result<usize, String>>),
    /// Take in what DNS says of a name. The answer is the handle that programs are to use, or none.
    Learn(Resolved, oneshot::Sender<Option<Handle>>),
    /// Whom does a handle stand for?
    Known(Handle, oneshot::Sender<Option<Known>>),
    /// What names do the sessions have that outlive this daemon?
    SessionNames(oneshot::Sender<Vec<SessionNames>>),
    /// Send an echo to this name, identifier or handle; answer when the reply is there.
    Ping(String, oneshot::Sender<Result<api::ping::Reply, PingError>>),
}

/// Why no echo was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingError {
    /// The target is no correspondent.
    Unknown,
    /// Too many wait for their answers.
    TooMany,
}
