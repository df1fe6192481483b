//! The name server as a process: what it promises to those who run it.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on says where, and shows the log"
)]

mod limits;
mod notify;
mod reload;
mod signatures;
mod transfers;
mod updates;
mod world;
