//! How long to listen for.

use std::time::Duration;

use tokio::time::sleep;

use super::SILENCE;

/// What is listened for in one go.
const STEP: Duration = Duration::from_millis(500);

/// What comes within [`SILENCE`], or nothing.
///
/// It is counted in steps: an agent whose machine stood still, as one that is suspended or migrated
/// itself, has missed many signs of life and counts one step. It would give up a connection that is
/// as good as before, and the relocations with it.
pub(super) async fn listen<T>(coming: impl Future<Output = T>) -> Option<T> {
    let mut coming = std::pin::pin!(coming);
    let mut listened = Duration::ZERO;
    while listened < SILENCE {
        tokio::select! {
            biased;
            came = &mut coming => return Some(came),
            () = sleep(STEP) => listened += STEP,
        }
    }
    None
}
