//! A virtual clock and seeded links that drive nodes in tests.
//!
//! | module | what it holds |
//! |---|---|
//! | [`link`] | one direction of a link: delay, jitter, loss, duplication, reordering, rate |
//! | [`stack`] | a miniature of a kernel with its applications |
//! | [`datapath`] | a model of what the BPF programs do |

pub mod datapath;
mod host;
mod internet;
pub mod link;
mod pair;
mod session;
pub mod stack;
mod world;

pub use host::{Host, Unaware};
pub use internet::{Dropped, Filter, Internet, SiteId, Verdict};
pub use pair::{Pair, Settings, host_nid, site_locator};
pub use session::{Session, Stream, TCP_PORT, UDP_PORT};
pub use world::{HostId, World};
