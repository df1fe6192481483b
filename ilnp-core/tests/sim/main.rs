//! Nodes on simulated sites: sessions, moves, loss, restarts, attackers. One file a theme, one
//! behaviour a test, all on a virtual clock.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ageing;
mod attackers;
mod clones;
mod equal_identifiers;
mod fallback;
mod floods;
mod handoff_hard;
mod handoff_soft;
mod icmp;
mod many_correspondents;
mod names;
mod one_way_udp;
mod outage;

mod relocation;
mod restart;
mod return_to_locator;
mod schedules;

mod session_start;
mod simultaneous_moves;
mod support;
mod update_loss;
mod update_ordering;
