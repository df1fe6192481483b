//! The near end of probes in a virtual machine: it sends them to another one, and writes down what
//! comes back.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::Settings;
use super::remote::{Remote, Wire};
use crate::clock::Clock;
use crate::error::{Doing, LabError};
use crate::measure::flow::Arrival;
use crate::workload::Session;

/// How often what came back is written down.
const WRITE: Duration = Duration::from_millis(100);
/// The octets of an arrival in a file.
const WRITTEN: usize = 24;

/// Sends probes to `remote` until this program is ended, and writes into `file` what comes back.
/// Times are seconds since the guest started, as in its `/proc/uptime`.
///
/// # Errors
/// [`LabError::Io`] when nobody answers, the connection breaks or the file cannot be written.
pub fn ask(settings: &Settings, remote: SocketAddr, file: &Path) -> Result<(), LabError> {
    let clock = Clock::start();
    let text = std::fs::read_to_string("/proc/uptime").doing(|| "read the uptime".to_owned())?;
    let begun = uptime(&text)
        .unwrap_or_default()
        .saturating_sub(clock.now());
    let what = || format!("write {}", file.display());
    let mut output = File::create(file).doing(what)?;
    let wire = Wire::open(remote, settings.over_tcp).doing(|| format!("reach {remote}"))?;
    let session = Remote::start(wire, ("here", "there"), settings, clock)?;
    loop {
        sleep(WRITE);
        let (arrivals, goes_on) = session.take_echoes();
        let octets: Vec<u8> = arrivals
            .iter()
            .flat_map(|arrival| written(arrival, begun))
            .collect();
        // At once: a reader finds whole arrivals.
        output.write_all(&octets).doing(what)?;
        if !goes_on {
            let why = Box::new(session).finish()?.failure.unwrap_or_default();
            return Err(io::Error::other(why)).doing(|| format!("hear from {remote}"));
        }
    }
}

/// The time since a guest started, in the text of its `/proc/uptime`.
pub(super) fn uptime(text: &str) -> Option<Duration> {
    let seconds = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn written(arrival: &Arrival, begun: Duration) -> Vec<u8> {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let delay = nanos(arrival.delay.unwrap_or_default());
    let words = [nanos(begun + arrival.at), arrival.number, delay];
    words.map(u64::to_be_bytes).concat()
}

/// The arrivals that were written down, with times since the guest started.
pub(super) fn read(octets: &[u8]) -> Vec<Arrival> {
    let word = |octets: &[u8]| octets.try_into().map_or(0, u64::from_be_bytes);
    let arrivals = octets.chunks_exact(WRITTEN).map(|one| Arrival {
        at: Duration::from_nanos(word(&one[..8])),
        number: word(&one[8..16]),
        delay: Some(Duration::from_nanos(word(&one[16..]))),
    });
    arrivals.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let arrival = Arrival {
            at: Duration::from_millis(1500),
            number: 7,
            delay: Some(Duration::from_micros(20_400)),
        };
        let mut octets = written(&arrival, Duration::from_secs(30));
        octets.extend([1, 2, 3]);
        let at = Duration::from_millis(31_500);
        assert_eq!(read(&octets), [Arrival { at, ..arrival }]);
    }

    #[test]
    fn the_uptime_is_the_first_of_two_numbers() {
        let expected = Duration::from_millis(83_120);
        assert_eq!(uptime("83.12 160.97\n"), Some(expected));
        assert_eq!(uptime("-1 2\n"), None);
        assert_eq!(uptime(""), None);
    }
}
