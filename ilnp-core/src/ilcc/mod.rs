//! The ILNP Communication Cache (RFC 6741 §5).
//!
//! | module | what it holds |
//! |---|---|
//! | [`local`] | this host's own Locators, and which of them packets leave from |
//! | [`entry`] | what is known of one correspondent |
//! | [`remote_locators`] | a correspondent's Locators, and which of them packets go to |
//! | [`nonces`] | the two unidirectional Nonces, and the proof that one was right |
//! | [`table`] | all correspondents, found by handle or by identifier and Nonce |
//! | [`tentative`], [`tentative_queue`] | sessions that are not yet proved, bounded against floods |
//!
//! The cache has no clock and sends nothing: [`node`](crate::node) decides what to do with it.

pub mod entry;
pub mod local;
pub mod nonces;
pub mod remote_locators;
pub mod table;
pub mod tentative;
pub mod tentative_queue;

pub use entry::{Entry, State};
pub use local::LocalSet;
pub use nonces::{NonceVerified, Nonces};
pub use remote_locators::RemoteLocators;
pub use table::{Id, Table};
pub use tentative::Tentative;
pub use tentative_queue::TentativeQueue;
