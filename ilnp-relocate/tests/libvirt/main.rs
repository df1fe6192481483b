//! Guests of real libvirt daemons move between two sites of this machine. Needs root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod agents;
mod failures;
mod guest;
mod moves;
mod operated;
mod refusals;
mod site;
mod world;
