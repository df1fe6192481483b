//! ILNP-aware resolution (RFC 6742 §3): from a name to an identifier and Locators.
//!
//! NID, L64, LP and AAAA are asked for in parallel and one by one: no answer to ANY is complete,
//! and additional data is not sent by most servers and removed by most caches.

mod afresh;
mod answer;
mod cache;
mod found;
mod lookup;
mod records;
mod resolver;
pub(crate) mod reverse;
mod upstreams;

pub(crate) use answer::{Query, follow};
pub use found::{Found, FoundLocator};
pub use records::{Records, WithTtl};
pub use resolver::Resolver;
pub use upstreams::UpstreamStatus;
