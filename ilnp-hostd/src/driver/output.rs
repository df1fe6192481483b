//! What a node wants done, in the order in which it must be done.

use ilnp_core::node::{DatapathUpdate, DnsRequest, Event, Node};
use ilnp_core::wire::Packet;
use serde::Serialize;

/// One thing that a node wants done or known.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Change the data path.
    Datapath(DatapathUpdate),
    /// Send this packet to the network.
    Transmit(Packet),
    /// Give this packet to the local programs.
    Deliver(Packet),
    /// Ask or change DNS.
    Dns(DnsRequest),
    /// Tell whoever listens.
    Event(Event),
}

/// The next thing to do, or `None` when everything that follows from the last input is done.
///
/// The data path comes first: packets that leave after a move must find the new source in slot 0.
pub fn poll_output(node: &mut Node) -> Option<Output> {
    if let Some(update) = node.poll_datapath_update() {
        return Some(Output::Datapath(update));
    }
    if let Some(packet) = node.poll_transmit() {
        return Some(Output::Transmit(packet));
    }
    if let Some(packet) = node.poll_deliver() {
        return Some(Output::Deliver(packet));
    }
    if let Some(request) = node.poll_dns_request() {
        return Some(Output::Dns(request));
    }
    node.poll_event().map(Output::Event)
}
