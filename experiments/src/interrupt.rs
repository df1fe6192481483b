//! The user's wish to stop: `SIGINT` or `SIGTERM` ends a run early, and everything is removed.
#![expect(
    unsafe_code,
    reason = "blocking the signals instead would block them in every program that is started"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::error::{Doing, LabError};

/// How soon a sleeper notices.
const NOTICE: Duration = Duration::from_millis(50);

/// Set by a signal, for good.
static SIGNALLED: AtomicBool = AtomicBool::new(false);

/// Whether the user wants to stop.
#[derive(Clone, Copy, Debug)]
pub struct Interrupt {
    raised: &'static AtomicBool,
}

impl Interrupt {
    /// Listens for `SIGINT` and `SIGTERM` for the rest of the program's life.
    ///
    /// # Errors
    /// [`LabError::Io`] when the handlers cannot be installed.
    pub fn on_signals() -> Result<Self, LabError> {
        let handler = SigHandler::Handler(note);
        let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            // SAFETY: the handler does nothing but store to an atomic, which is safe in a signal
            // handler, and no handler of ours is replaced.
            unsafe { sigaction(signal, &action) }.doing(|| format!("handle {signal}"))?;
        }
        Ok(Self { raised: &SIGNALLED })
    }

    /// For callers whose own runner stops them.
    pub fn never() -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self { raised: &NEVER }
    }

    /// Sleeps until an instant.
    ///
    /// # Errors
    /// [`LabError::Interrupted`] soon after the user wants to stop.
    pub fn sleep_until(&self, instant: Instant) -> Result<(), LabError> {
        loop {
            if self.raised.load(Ordering::Relaxed) {
                return Err(LabError::Interrupted);
            }
            let left = instant.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Ok(());
            }
            sleep(left.min(NOTICE));
        }
    }
}

extern "C" fn note(_signal: libc::c_int) {
    SIGNALLED.store(true, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wakes_a_sleeper() {
        static RAISED: AtomicBool = AtomicBool::new(false);
        let interrupt = Interrupt { raised: &RAISED };
        let now = Instant::now();
        assert!(interrupt.sleep_until(now).is_ok());
        RAISED.store(true, Ordering::Relaxed);
        let result = interrupt.sleep_until(now + Duration::from_secs(3600));
        assert!(matches!(result, Err(LabError::Interrupted)));
    }
}
