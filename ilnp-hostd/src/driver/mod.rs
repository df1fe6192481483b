//! The task that owns the node.
//!
//! ```text
//! ilnp0 (packets) ───────┐
//! attachment (rtnetlink) ┤                  ┌─> data path (BPF maps)
//! API, agent (custody) ──┤                  │
//! API, names (requests) ─┼─> Driver: Node ──┼─> ilnp0 (packets, both directions)
//! alarm (deadlines) ─────┤                  ├─> names (what DNS is to tell, and to be asked)
//! signals ───────────────┘                  └─> log, monitors, recording
//! ```
//!
//! The sources only translate. Whatever arrives becomes one input of the node; everything that
//! follows from it is done before the next one is looked at.

mod complaints;
mod custody;
mod engine;
mod host;
mod kernel_host;
mod live;
mod output;
mod pings;
mod request;
mod stalled;
mod tiding;
mod views;

pub use engine::{About, Engine};
pub use host::Host;
pub use kernel_host::KernelHost;
pub use live::{Driver, Sources};
pub use output::{Output, poll_output};
pub use request::{PingError, Request};
pub use tiding::Tiding;
