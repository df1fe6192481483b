//! What a node needs of the machine that it runs on.

use ilnp_core::id::Handle;
use ilnp_core::node::{DatapathUpdate, DnsRequest, Input};
use ilnp_core::wire::Packet;

use crate::datapath::Counters;

/// The machine around a node: the kernel, or a test.
pub trait Host {
    /// Changes the data path. Some changes are questions and have an answer.
    ///
    /// What cannot be done is logged here; the node goes on through the slow path.
    fn apply(&mut self, update: DatapathUpdate) -> Option<Input>;

    /// Sends a packet: to the network when its source is one of this node's Locators, to the local
    /// programs otherwise.
    fn send(&mut self, packet: &Packet);

    /// Asks or changes DNS. What cannot be done now is left out: the node asks again.
    fn ask_dns(&mut self, request: DnsRequest);

    /// Looks for a new attachment now.
    fn look_around(&mut self);

    /// There may be a way again to this correspondent, or to all: transport sessions that wait for
    /// it need not wait longer.
    fn way_changed(&mut self, to: Option<Handle>);

    /// Takes back what was put in place for a move: it does not happen.
    fn stay(&mut self) {}

    /// What the data path counted.
    ///
    /// # Errors
    /// Why the counters cannot be read, for people.
    fn counters(&mut self) -> Result<Counters, String>;

    /// The name of an interface.
    fn interface_name(&self, index: u32) -> String;
}
