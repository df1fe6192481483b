//! The authoritative server `ilnp-dnsd`.
//!
//! | module | what it does |
//! |---|---|
//! | [`config`] | reads the configuration |
//! | `transport` | receives requests and sends answers: threads for UDP, tasks for TCP |
//! | `answer` | says what is to be done about a request, and answers queries |
//! | `writer` | does updates, one batch after the other |
//! | `refusals` | logs what was refused, at a bearable rate |
//! | `store` | keeps zones on disk |
//! | `notify` | tells secondary servers of changes |
//! | `zones` | what is served: snapshots for readers, history for transfers |
//! | `daemon` | starts, reloads and stops all of them |

mod answer;
pub mod config;
mod daemon;
mod notify;
mod refusals;
mod store;
mod transport;
mod writer;
mod zones;

pub use daemon::{check, run};
