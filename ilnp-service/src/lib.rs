//! What the long-running programs of ILNP and their commands share.
//!
//! | module | what it holds |
//! |---|---|
//! | `client` | the way to a daemon's control socket (feature `http`) |
//! | `control_socket` | the Unix socket that a daemon serves its API on (feature `http`) |
//! | [`durable`] | files that a crash does not tear |
//! | `explain` | errors as one line for people (feature `http`) |
//! | `guard` | who may ask for what (feature `http`) |
//! | [`mistake`] | what is wrong with a file that people write, and where |
//! | `output` | standard output: text or JSON (feature `http`) |
//! | `problem` | what a program reads when its request could not be met (feature `http`) |
//! | `stop` | the signals that stop a daemon (feature `http`) |
#![forbid(unsafe_code)]

#[cfg(feature = "http")]
pub mod client;
#[cfg(feature = "http")]
pub mod control_socket;
pub mod durable;
#[cfg(feature = "http")]
pub mod explain;
#[cfg(feature = "http")]
pub mod guard;
pub mod mistake;
#[cfg(feature = "http")]
pub mod output;
#[cfg(feature = "http")]
pub mod problem;
#[cfg(feature = "http")]
pub mod stop;
