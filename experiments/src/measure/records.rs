//! Which Locators a name server shows for a name, and since when.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use ilnp_core::id::Locator;
use ilnp_dns::rdata::L64;
use ilnp_dns::record::{Record, RecordType};

use super::query::Inquirer;
use crate::clock::Clock;
use crate::error::{Doing, LabError};
use crate::name_server::NameServer;
use crate::topology::Topology;

/// From one question to the next: what is seen is seen at most so much later.
const INTERVAL: Duration = Duration::from_millis(2);

/// The L64 records of a name as they were seen at one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The name server.
    pub server: String,
    /// The name.
    pub name: String,
    /// Every change: when it was seen, and the Locators from then on, in ascending order.
    pub changes: Vec<(Duration, Vec<Locator>)>,
}

impl Shown {
    /// When within a time the server first showed all of these Locators.
    pub fn first(&self, locators: &[Locator], within: &Range<Duration>) -> Option<Duration> {
        let has_all = |shown: &[Locator]| locators.iter().all(|one| shown.contains(one));
        let mut changes = self.changes.iter();
        let found = changes.find(|(at, shown)| within.contains(at) && has_all(shown));
        found.map(|(at, _)| *at)
    }

    /// What it showed last.
    pub fn last(&self) -> &[Locator] {
        let last = self.changes.last();
        last.map_or(&[], |(_, locators)| locators.as_slice())
    }
}

/// Asks a server for the L64 records of a name again and again.
#[derive(Debug)]
pub struct RecordMonitor {
    seen: Arc<Mutex<Shown>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RecordMonitor {
    /// Starts to ask, on the machine of the server itself.
    ///
    /// # Errors
    /// [`LabError::Io`] when there is no socket or thread.
    pub fn start(
        topology: &Topology,
        server: &NameServer,
        name: &str,
        clock: Clock,
    ) -> Result<Self, LabError> {
        let machine = topology.name_server(&server.settings().name)?;
        let address = server.socket_address();
        let mut inquirer = Inquirer::new(machine.namespace(), address, name, RecordType::L64)?;
        let seen = Arc::new(Mutex::new(Shown {
            server: server.settings().name.clone(),
            name: name.to_owned(),
            changes: vec![],
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let (written, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("lab-records".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    if let Some(locators) = inquirer.ask().and_then(|found| locators(&found)) {
                        note(&written, clock.now(), locators);
                    }
                    sleep(INTERVAL);
                }
            })
            .doing(|| "start a thread".to_owned())?;
        Ok(Self {
            seen,
            stop,
            thread: Some(thread),
        })
    }

    /// What was seen so far.
    pub fn so_far(&self) -> Shown {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }

    /// Stops to ask, and returns what was seen.
    pub fn finish(mut self) -> Shown {
        self.stop();
        self.so_far()
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a thread that asks for records panicked");
        }
    }
}

impl Drop for RecordMonitor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Writes down what is shown, when it is not what was shown last.
fn note(seen: &Mutex<Shown>, at: Duration, locators: Vec<Locator>) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let last = seen.changes.last().map(|(_, locators)| locators);
    if last != Some(&locators) {
        seen.changes.push((at, locators));
    }
}

/// The Locators of L64 records in ascending order; `None` when one is malformed.
fn locators(records: &[Record]) -> Option<Vec<Locator>> {
    let read = |record: &Record| L64::from_wire(&record.rdata).map(|l64| l64.locator);
    let mut locators: Vec<Locator> = records.iter().map(read).collect::<Result<_, _>>().ok()?;
    locators.sort_unstable();
    Some(locators)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_when_locators_are_first_shown() {
        let [a, b] = [1, 2].map(Locator::from_bits);
        let at = Duration::from_secs;
        let shown = Shown {
            server: String::new(),
            name: String::new(),
            changes: vec![(at(1), vec![a]), (at(5), vec![a, b]), (at(7), vec![b])],
        };
        let table = [
            (vec![a], 0..9, Some(1)),
            (vec![a], 2..9, Some(5)),
            (vec![a, b], 0..9, Some(5)),
            (vec![b], 6..9, Some(7)),
            (vec![b], 0..5, None),
            (vec![a], 6..9, None),
        ];
        for (locators, within, expected) in table {
            let found = shown.first(&locators, &(at(within.start)..at(within.end)));
            assert_eq!(found, expected.map(at), "{locators:?} in {within:?} s");
        }
        assert_eq!(shown.last(), [b]);
    }
}
