//! Numbered probes of the lab's own, as datagrams and on a TCP connection.

mod tcp;
mod udp;

use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Session;
use crate::clock::Clock;
use crate::error::LabError;
use crate::measure::flow::Arrival;
use crate::scenario::{Direction, Program, Workload};
use crate::topology::Host;

/// The length of a probe: its number, when it was sent in nanoseconds, then zeros.
const LENGTH: usize = 64;
/// How often a receiving thread looks whether it is to stop.
const STOP: Duration = Duration::from_millis(50);

/// What probes are to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// On a TCP connection instead of as datagrams.
    pub over_tcp: bool,
    /// Which way, seen from the host that starts.
    pub direction: Direction,
    /// The time from one to the next.
    pub interval: Duration,
}

impl Settings {
    /// The probes of a workload.
    pub fn of(workload: &Workload) -> Self {
        Self {
            over_tcp: workload.program == Program::Tcp,
            direction: workload.direction.unwrap_or_default(),
            interval: workload.interval.unwrap_or(Duration::from_millis(1)),
        }
    }

    fn outward(&self) -> bool {
        self.direction != Direction::In
    }

    fn inward(&self) -> bool {
        self.direction != Direction::Out
    }
}

/// Between whom probes go.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    /// The host that starts.
    pub from: &'a Host,
    /// The host that answers.
    pub to: &'a Host,
    /// The address by which `from` reaches `to`.
    pub address: Ipv6Addr,
    /// A free port at `to`.
    pub port: u16,
}

/// Starts to send probes; it is established when this returns.
///
/// # Errors
/// [`LabError::Io`] when no socket can be made, [`LabError::TimedOut`] when nobody answers.
pub fn start(
    ends: &Ends<'_>,
    settings: &Settings,
    clock: Clock,
) -> Result<Box<dyn Session>, LabError> {
    if settings.over_tcp {
        Ok(Box::new(tcp::Tcp::start(ends, settings, clock)?))
    } else {
        Ok(Box::new(udp::Udp::start(ends, settings, clock)?))
    }
}

/// The octets of a probe that is sent now.
fn probe(number: u64, now: Duration) -> [u8; LENGTH] {
    let mut octets = [0; LENGTH];
    let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    octets[..8].copy_from_slice(&number.to_be_bytes());
    octets[8..16].copy_from_slice(&nanos.to_be_bytes());
    octets
}

/// The arrival of a probe now, or `None` when the octets are none.
fn arrival(octets: &[u8], now: Duration) -> Option<Arrival> {
    let (number, rest) = octets.split_first_chunk::<8>()?;
    let sent = Duration::from_nanos(u64::from_be_bytes(*rest.first_chunk()?));
    (octets.len() == LENGTH).then(|| Arrival {
        at: now,
        number: u64::from_be_bytes(*number),
        delay: Some(now.saturating_sub(sent)),
    })
}

/// What a receiving thread writes down, and how it is told to stop.
#[derive(Clone, Debug, Default)]
struct Record {
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    stop: Arc<AtomicBool>,
}

impl Record {
    fn push(&self, arrival: Arrival) {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.push(arrival);
    }

    fn is_empty(&self) -> bool {
        let arrivals = self.arrivals.lock();
        arrivals.unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.arrivals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
