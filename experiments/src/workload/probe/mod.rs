//! Numbered probes of the lab's own, as datagrams and on a TCP connection.

mod ask;
mod echo;
mod guest;
mod remote;
mod tcp;
mod udp;

pub use ask::ask;
pub use echo::{Own, serve};
pub(crate) use guest::Guest;

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Session;
use crate::clock::Clock;
use crate::error::{Doing, LabError};
use crate::measure::flow::{Arrival, Flow};
use crate::scenario::{Direction, Program, Workload};
use crate::topology::{Host, Party};

/// The length of a probe, unless it is said: its number, when it was sent in nanoseconds, a mark,
/// then zeros.
const LENGTH: u16 = 64;
/// How long the other end may take to answer at first.
const START: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(20);
/// What opens the way for datagrams: no probe has this length.
const HELLO: &[u8] = b"ilnp-lab";
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
    /// The octets of each, 64 at least.
    pub length: u16,
}

impl Settings {
    /// The probes of a workload.
    pub fn of(workload: &Workload) -> Self {
        let length = workload.size.and_then(|size| u16::try_from(size).ok());
        Self {
            over_tcp: workload.program == Program::Tcp,
            direction: workload.direction.unwrap_or_default(),
            interval: workload.interval.unwrap_or(Duration::from_millis(1)),
            length: length.unwrap_or(LENGTH),
        }
    }

    fn outward(&self) -> bool {
        self.direction != Direction::In
    }

    /// Whether the host that answers sends probes of its own.
    pub(super) fn inward(&self) -> bool {
        self.direction != Direction::Out
    }
}

/// Between whom probes go.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    /// The host that starts.
    pub from: &'a Host,
    /// The host that answers.
    pub to: Party<'a>,
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
    let remote = SocketAddr::from((ends.address, ends.port));
    Ok(match ends.to {
        Party::Machine(far) => {
            let near = ends.from;
            let open = || remote::Wire::open(remote, settings.over_tcp);
            let wire = near.namespace().inside(open)?;
            let wire = wire.doing(|| format!("reach {remote} from {}", near.name()))?;
            let names = (near.name(), far.name());
            Box::new(remote::Remote::start(wire, names, settings, clock)?)
        }
        Party::Host(far) if settings.over_tcp => {
            Box::new(tcp::Tcp::start((ends.from, far), remote, settings, clock)?)
        }
        Party::Host(far) => Box::new(udp::Udp::start((ends.from, far), remote, settings, clock)?),
    })
}

/// The octets of a probe that is sent now.
fn probe(number: u64, now: Duration, length: u16) -> Vec<u8> {
    let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let mut octets = [number.to_be_bytes(), nanos.to_be_bytes()].concat();
    octets.resize(length.into(), 0);
    octets
}

/// The arrival of a probe now, or `None` when the octets are none.
fn arrival(octets: &[u8], now: Duration) -> Option<Arrival> {
    let (number, rest) = octets.split_first_chunk::<8>()?;
    let sent = Duration::from_nanos(u64::from_be_bytes(*rest.first_chunk()?));
    (octets.len() >= LENGTH.into()).then(|| Arrival {
        at: now,
        number: u64::from_be_bytes(*number),
        delay: Some(now.saturating_sub(sent)),
    })
}

/// Whether the records count 0, 1, 2 and so on.
fn is_contiguous(flow: &Flow) -> bool {
    (0u64..)
        .zip(&flow.arrivals)
        .all(|(expected, arrival)| arrival.number == expected)
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
