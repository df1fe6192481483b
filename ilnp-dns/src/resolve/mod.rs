//! ILNP-aware resolution (RFC 6742 §3): from a name to an identifier and Locators.
//!
//! NID, L64, LP and AAAA are asked for in parallel and one by one: no answer to ANY is complete,
//! and additional data is not sent by most servers and removed by most caches.
//!
//! ```text
//!                  ┌─ cache
//! name ─> lookup ──┤            ─> answer ─> lookup ─> records ─> found
//!   (what to ask)  └─ upstreams     (of one reply)     (all that is known)
//! ```
//!
//! `lookup` decides, without sockets or a clock; `resolver` does what it asks for. `afresh` asks
//! the servers of the zone in place of cache and upstreams, and `reverse` begins with an address.

mod afresh;
mod answer;
mod cache;
mod found;
mod lookup;
mod records;
mod resolver;
pub(crate) mod reverse;
mod upstreams;

#[cfg(all(any(test, fuzzing), feature = "server"))]
pub(crate) use answer::Answer;
pub(crate) use answer::{Query, follow};
pub use found::{Found, FoundLocator};
#[cfg(all(any(test, fuzzing), feature = "server"))]
pub(crate) use lookup::Lookup;
pub use records::{Records, WithTtl};
pub use resolver::Resolver;
pub use upstreams::UpstreamStatus;
