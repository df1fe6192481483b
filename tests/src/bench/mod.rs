//! The measurements of `cargo xtask bench`: one function for each line of the table.
//!
//! Ratios are medians of interleaved pairs: each pair measures ILNP and plain IPv6, or `ilnp-dnsd`
//! and BIND, right after each other, with both ends on the same processors.

mod copies;
mod faults;
mod idle;
mod many;
mod moves;
mod names;
mod neighbours;
mod pair;
mod relocate;
pub mod report;
mod stall;
mod throughput;

use report::Figure;

/// Measures one line, which may be several figures.
type Measure = fn() -> anyhow::Result<Vec<Figure>>;

/// The lines by their names.
pub const LINES: &[(&str, Measure)] = &[
    ("tcp", throughput::tcp),
    ("tcp-without-offload", throughput::tcp_without_offload),
    ("udp", throughput::udp),
    ("transactions", throughput::request_response),
    ("hard", moves::hard),
    ("soft", moves::soft),
    ("loss", moves::loss),
    ("stall", stall::stall),
    ("relocate-faults", faults::faults),
    ("relocate-sessions", faults::sessions),
    ("relocate-disk", copies::time),
    ("relocate-delta", copies::delta),
    ("crowd", many::crowd),
    ("idle", idle::idle),
    ("relocate", relocate::relocate),
    ("relocate-neighbours", neighbours::neighbours),
    ("names-positive", names::positive),
    ("names-nxdomain", names::negative),
    ("names-updates", names::updates),
    ("names-visible", names::visible),
    ("names-readers", names::readers),
    ("names-stub", names::stub),
];

/// How many pairs a ratio is the median of.
const PAIRS: usize = 10;
/// How many moves a figure is about.
const MOVES: usize = 30;
