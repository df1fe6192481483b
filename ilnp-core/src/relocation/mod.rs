//! What a virtual machine and the agent of its hypervisor say to each other about a relocation.
//!
//! They talk over a serial port of the machine, [`PORT`]. The agent asks, the guest answers and
//! tells what becomes of it. Everything is a line of JSON, at most [`Lines::LONGEST`] octets long:
//!
//! ```text
//! agent -> guest   {"schema":1,"id":8,"prepare":{"epoch":13,"site":"b","locators":["2001:db8:b::/64"]}}
//! guest -> agent   {"schema":1,"id":8,"prepared":{"correspondents":3}}
//! guest -> agent   {"schema":1,"event":{"told":{"epoch":13,"step":"prepare","correspondents":3,"acknowledged":3}}}
//! ```
//!
//! A port has no beginning and no end: a machine is moved while either side is in the middle of a
//! line, and the agent at the other end is another one from then on. So every line is preceded by
//! an empty one, a line that cannot be read is left out, and whoever reads goes on with the next.
//!
//! Unknown members are ignored. A request that is not known is answered with an error, so that an
//! old guest tells a new agent what it cannot do.
//!
//! The codec lives here although it is JSON, because the daemon in the guest and the agent at the
//! hypervisor both need it, and neither is to depend on the other.

mod answer;
mod line;
mod names;
mod request;

use serde::{Deserialize, Serialize};

pub use answer::{
    Acknowledged, AllAcknowledged, Answer, DnsConfirmed, Event, FromGuest, GuestHello, Prepared,
    Refused, Step, Told, Usable,
};
pub use line::{Line, LineError, Lines, encode};
pub use names::{Instance, Mac};
pub use request::{Epoch, Fence, Hello, Prepare, Request, Resumed, ToGuest};

/// The number in every line. It changes when those who read them would break.
pub const SCHEMA: u32 = 1;

/// The name of the virtio-serial port.
pub const PORT: &str = "org.ilnp.relocate.0";

/// An object without members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// A line that says nothing that can be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unreadable {
    /// Which request it was, when that much can be read: whoever asked can be told.
    pub id: Option<u64>,
    /// What is wrong, for people.
    pub reason: String,
}

/// What stands in every line, whatever it says.
#[derive(Deserialize)]
struct Envelope {
    schema: u32,
    id: Option<u64>,
}

/// Reads the envelope of a line, then all of it.
fn read<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Result<T, Unreadable> {
    let unreadable = |id, error: serde_json::Error| Unreadable {
        id,
        reason: error.to_string(),
    };
    let envelope: Envelope =
        serde_json::from_slice(line).map_err(|error| unreadable(None, error))?;
    if envelope.schema != SCHEMA {
        return Err(Unreadable {
            id: envelope.id,
            reason: format!(
                "schema {} is not understood here, {SCHEMA} is: one end is older than the other",
                envelope.schema
            ),
        });
    }
    serde_json::from_slice(line).map_err(|error| unreadable(envelope.id, error))
}

#[cfg(test)]
mod tests;
