//! When a host's addresses became usable, as the kernel tells it: the judge of moves that is not
//! the daemon.

use std::net::Ipv6Addr;
use std::ops::Range;
use std::process::Stdio;
use std::time::Duration;

use super::lines::{Line, Lines};
use crate::clock::Clock;
use crate::error::LabError;
use crate::lab::is_usable;
use crate::process::Process;
use crate::topology::Host;

/// `ip monitor address` on a host.
#[derive(Debug)]
pub struct AddressMonitor {
    host: String,
    process: Process,
    lines: Lines,
}

impl AddressMonitor {
    /// Starts to watch a host.
    ///
    /// # Errors
    /// [`LabError::Io`] when `ip` cannot be started.
    pub fn start(host: &Host, clock: Clock, out: &std::path::Path) -> Result<Self, LabError> {
        let mut command = std::process::Command::new("ip");
        command.args([
            "-n",
            host.namespace().name(),
            "-6",
            "-o",
            "monitor",
            "address",
        ]);
        let log = out.join(format!("{}-monitor.log", host.name()));
        let mut process = Process::start("ip monitor", command.stdout(Stdio::piped()), &log)?;
        let output = process.take_output()?;
        Ok(Self {
            host: host.name().to_owned(),
            lines: Lines::read(output, clock)?,
            process,
        })
    }

    /// The host that is watched.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Stops to watch, and returns the lines of `ip`.
    pub fn finish(mut self) -> Vec<Line> {
        self.process.stop();
        self.lines.finish()
    }
}

/// When an address was first reported as usable in a window of time.
pub fn first_usable(
    lines: &[Line],
    address: Ipv6Addr,
    window: Range<Duration>,
) -> Option<Duration> {
    lines
        .iter()
        .find(|line| {
            window.contains(&line.at) && names(&line.text, address) && is_usable(&line.text)
        })
        .map(|line| line.at)
}

fn names(line: &str, address: Ipv6Addr) -> bool {
    let mut words = line.split_whitespace();
    let added = words.next() != Some("Deleted");
    let named = words
        .filter_map(|word| word.split_once('/')?.0.parse::<Ipv6Addr>().ok())
        .any(|found| found == address);
    added && named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_usable_when_it_is_optimistic_or_checked() {
        let address = "2001:db8:b::1".parse().unwrap();
        let text = [
            "2: eth0    inet6 2001:db8:b::1/64 scope global dynamic ",
            "Deleted 2: eth0    inet6 2001:db8:b::1/64 scope global ",
            "2: eth0    inet6 2001:db8:a::1/64 scope global dynamic ",
            "2: eth0    inet6 2001:db8:b::1/64 scope global tentative dynamic ",
            "2: eth0    inet6 2001:db8:b::1/64 scope global tentative optimistic ",
        ];
        let lines: Vec<Line> = (0u32..)
            .zip(text)
            .map(|(index, text)| Line {
                at: Duration::from_secs(1) * index,
                text: text.to_owned(),
            })
            .collect();
        let first = |from, to| {
            let window = Duration::from_secs(from)..Duration::from_secs(to);
            first_usable(&lines, address, window)
        };
        assert_eq!(first(0, 5), Some(Duration::ZERO));
        assert_eq!(first(1, 5), Some(Duration::from_secs(4)));
        assert_eq!(first(1, 4), None);
    }
}
