//! The daemon on a real kernel: hosts, sites and routers in network namespaces, unmodified
//! programs, real packets. Needs root; without it every test fails at once and says so.

mod classic;
mod daemon;
mod errors;
mod forged;
mod handoff;
mod programs;
mod stalled;
mod target;
mod wire;
