//! The data path on a real kernel: traffic of every kind between two hosts whose tables were
//! written by hand, daemons that come and go, refusals, and what is left afterwards.

mod pair;
mod refusals;
mod slow_path;
mod takeover;
mod traffic;
