//! The host's attachment in network namespaces, with real routers (needs root).
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up or go on fails"
)]

mod ilnp_interface;
mod monitor;
mod moves;
mod namespace;
mod planned;
mod site;
mod watch;

use std::time::Duration;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);
