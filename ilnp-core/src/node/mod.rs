//! The state machine: packets, link events, names and timers in; packets, data-path changes and
//! events out.

mod input;
mod output;

pub use input::{
    Activity, Input, LinkEvent, LocalLocator, LocatorHealth, MoveOrder, RemoteLocator, Resolved,
    Restored,
};
pub use output::{ClassicFlow, DatapathUpdate, Event, PathEntry, PathLocator, Slot, SlotIndex};
