//! What libvirt daemons and their clients say to each other, as far as a migration needs to be
//! understood: frames, and the two calls that a client makes at the target.
//!
//! `virsh migrate` talks to both daemons. What it says to the target's daemon passes two relays of
//! ours: [`outgoing`] at the source, which sees when everything has been sent, and [`incoming`] at
//! the target, which lets nothing through but the migration of the one domain that the target
//! expects, as the target's operator has defined it.

pub(super) mod frame;
pub(super) mod incoming;
pub(super) mod migration;
pub(super) mod outgoing;
mod refusal;
mod xdr;
