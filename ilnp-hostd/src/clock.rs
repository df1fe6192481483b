//! Time as the node counts it: `CLOCK_BOOTTIME`, which goes on while a machine is suspended.
#![expect(
    unsafe_code,
    reason = "the runtime cannot know that a file descriptor stays open"
)]

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};

use ilnp_core::time::Instant;
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, TimerSetTimeFlags};
use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};
use tokio::io::unix::AsyncFd;

/// The current instant.
///
/// # Panics
/// Never on Linux: `CLOCK_BOOTTIME` is there since 2.6.39.
pub fn now() -> Instant {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
        .unwrap_or_else(|errno| panic!("clock_gettime(CLOCK_BOOTTIME): {errno}"));
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
    Instant::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// An alarm at an instant.
///
/// The timers of the runtime stand still while the machine is suspended; this one goes off at once
/// when the instant was passed meanwhile.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<Timer>,
    at: Option<Instant>,
}

/// A timer as the runtime takes it.
#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// When the kernel has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let timer = TimerFd::new(
            ClockId::CLOCK_BOOTTIME,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        // SAFETY: the timer owns its descriptor, always names the same one, and is moved into the
        // `AsyncFd`, so that it stays open for as long as it is registered.
        let timer = unsafe { AsyncFd::register(Timer(timer)) }?;
        Ok(Self { timer, at: None })
    }

    /// Sets the alarm to `at`, or clears it.
    ///
    /// # Errors
    /// When the kernel refuses, which it does for no instant.
    pub fn set(&mut self, at: Option<Instant>) -> io::Result<()> {
        if self.at == at {
            return Ok(());
        }
        let Timer(timer) = self.timer.get_ref();
        match at {
            None => timer.unset()?,
            Some(instant) => timer.set(
                Expiration::OneShot(time_spec(instant)),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )?,
        }
        self.at = at;
        Ok(())
    }

    /// Waits until the alarm goes off, and clears it. Waits for ever when it is not set.
    ///
    /// # Errors
    /// When the timer cannot be read.
    pub async fn wait(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.timer.readable().await?;
            if let Ok(expired) = ready.try_io(|timer| Ok(timer.get_ref().0.wait()?)) {
                expired?;
                self.at = None;
                return Ok(());
            }
        }
    }
}

/// The instant as an absolute time that arms a timer: a time of zero would disarm it.
fn time_spec(instant: Instant) -> TimeSpec {
    let nanos = instant.as_nanos().max(1);
    let part = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    TimeSpec::new(part(nanos / 1_000_000_000), part(nanos % 1_000_000_000))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn goes_off_at_its_instant_and_at_once_when_that_has_passed() {
        let mut alarm = Alarm::new().unwrap();
        let start = now();
        alarm.set(Some(start + Duration::from_millis(20))).unwrap();
        alarm.wait().await.unwrap();
        assert!(now() >= start + Duration::from_millis(20));
        alarm.set(Some(Instant::ZERO)).unwrap();
        alarm.wait().await.unwrap();
    }

    #[tokio::test]
    async fn stays_silent_when_it_was_cleared() {
        let mut alarm = Alarm::new().unwrap();
        alarm.set(Some(now() + Duration::from_millis(5))).unwrap();
        alarm.set(None).unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(30), alarm.wait()).await;
        assert!(waited.is_err());
    }
}
