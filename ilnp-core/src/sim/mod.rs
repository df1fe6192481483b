//! A virtual clock and seeded links that drive nodes in tests.
//!
//! | module | what it holds |
//! |---|---|
//! | [`link`] | one direction of a link: delay, jitter, loss, duplication, reordering, rate |
//! | `internet` | sites with routers that check sources, and filters between them |
//! | [`stack`] | a miniature of a kernel with its applications, which know nothing of ILNP |
//! | [`datapath`] | a model of what the BPF programs do |
//! | `dns` | what hosts publish, and a resolver that takes its time |
//! | `host` | the three joined with a node as the daemon joins them; reboots, crashes |
//! | `world` | hosts at sites on one clock |
//! | `pair`, `session` | what most tests begin with |
//!
//! Everything is decided by the seed, so a failure repeats. A handoff is ten lines:
//!
//! ```
//! use std::time::Duration;
//! use ilnp_core::sim::Pair;
//!
//! let mut pair = Pair::default();
//! let every = Duration::from_millis(10);
//! let session = pair.world.connect(pair.mobile, pair.fixed, every);
//! pair.world.run_for(Duration::from_secs(1));
//! pair.world.move_to(pair.mobile, pair.b);
//! let took = pair.world.drive_until_flowing(&session, Duration::from_secs(1));
//! assert!(took.is_some());
//! ```

pub mod datapath;
mod dns;
mod host;
mod internet;
pub mod link;
mod pair;
mod session;
pub mod stack;
mod world;

pub use dns::Dns;
pub use host::{Host, Unaware};
pub use internet::{Dropped, Filter, Internet, SiteId, Verdict};
pub use pair::{Pair, Settings, host_nid, site_locator};
pub use session::{Session, Stream, TCP_PORT, UDP_PORT};
pub use world::{HostId, World, interface};
