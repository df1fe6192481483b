//! What is told of a relocation: events while it goes on, and a report that is kept.

mod event;
mod recorder;
mod shelf;
mod table;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::channel::RelocationId;
use crate::hypervisor::Storage;
use crate::site::Site;

pub use event::{Event, Line};
pub use recorder::Recorder;
pub use shelf::{Shelf, ShelfError};
pub(crate) use table::phase;
pub use table::table;

/// The form of reports and events.
pub const SCHEMA: u32 = 1;

/// All that is known of one relocation, at the site that the guest left.
///
/// How long a correspondent heard nothing is not in it: only who measures at the correspondent knows
/// that, as `ilnp-lab` does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Which relocation.
    pub relocation: RelocationId,
    /// Of which guest.
    pub guest: String,
    /// From where.
    pub from: Site,
    /// To where.
    pub to: Site,
    /// The number of the attempt.
    pub epoch: u64,
    /// When it was asked for, in seconds since 1970.
    pub asked_s: f64,
    /// How it ended; none while it goes on.
    pub outcome: Option<Outcome>,
    /// Why it ended like that, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which part of the disks travelled.
    pub storage: Storage,
    /// Whether the guest knew in advance.
    pub soft: bool,
    /// Why it did not, where it was to be copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unprepared: Option<String>,
    /// What happened, in order.
    pub phases: Vec<PhaseTimes>,
    /// What was sent.
    pub sent: Sent,
    /// The hypervisor's own figure of the downtime, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime_ms: Option<f64>,
    /// From the stop of the guest here until this site knew that it runs there, in milliseconds: half
    /// a round trip more than it stood still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_ms: Option<f64>,
    /// What the guest told after the move, in milliseconds since it noticed it.
    pub told: Vec<Told>,
}

/// How a relocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The guest runs at the target.
    Moved,
    /// The guest runs at the source.
    Failed,
}

/// A part of a relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Both sites check, the target makes everything ready, the guest is told.
    Prepare,
    /// Disks are copied.
    Disks,
    /// Memory is copied while the guest runs.
    Memory,
    /// The guest stands still.
    Stop,
    /// The guest runs at the target.
    Resume,
    /// The guest goes on here.
    TakeBack,
}

/// When a phase was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseTimes {
    /// Which.
    pub phase: Phase,
    /// When it began, in milliseconds since the relocation was asked for.
    pub at_ms: f64,
    /// How long it took, in milliseconds; none for the last one, which goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<f64>,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Octets of memory and device state.
    pub memory: u64,
    /// Octets of disks.
    pub disks: u64,
    /// Octets of all copies together, as they went through the connection.
    pub copies: u64,
}

/// What the guest told after the move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// `usable`, `acknowledged`, `all-acknowledged`, `dns-confirmed`.
    pub event: String,
    /// In milliseconds since the guest noticed the move, by its own clock.
    pub after_ms: f64,
}

/// Milliseconds with their fraction.
fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
