//! Traffic whose rate is a figure.
//!
//! Every function runs in the network namespace and on the processor of the thread that calls it.

pub mod datagrams;
pub mod questions;
pub mod readers;
pub mod transactions;
pub mod updates;
