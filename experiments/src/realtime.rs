//! Threads that the scheduler wakes before all others: what stands for a wire or a clock must not
//! be late because the machine is busy.
#![expect(
    unsafe_code,
    reason = "nix has no call that sets a thread's scheduling policy"
)]

use std::io;

use nix::libc;

/// Lets the calling thread run before every thread that has no real-time priority. Where that is
/// not permitted the thread stays as it is, and measurements show how busy the machine is.
pub(crate) fn prefer_this_thread() {
    // The kernel may wake other threads 50 us late to save power.
    let timely = nix::sys::prctl::set_timerslack(1).map_err(io::Error::from);
    if let Err(error) = timely.and_then(|()| become_first()) {
        tracing::debug!(%error, "no real-time priority");
    }
}

fn become_first() -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: 1 };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the parameter outlives the call, and 0 names the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
