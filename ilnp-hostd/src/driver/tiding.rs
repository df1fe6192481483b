//! What the driver tells those who report on moves.

use ilnp_core::node::Event;
use ilnp_core::time::Instant;

/// Something in the course of a move.
#[derive(Clone, Debug, PartialEq)]
pub enum Tiding {
    /// The kernel or the hypervisor says that this host was moved.
    Noticed(Instant),
    /// [`Event::SourceChanged`] or [`Event::Told`].
    Happened(Instant, Event),
}
