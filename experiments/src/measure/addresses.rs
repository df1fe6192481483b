//! When a host's addresses became usable, as the kernel tells it: the judge of moves that is not
//! the daemon.

use std::io::Write;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use super::lines::{Line, Lines};
use crate::clock::Clock;
use crate::error::{Doing, LabError};
use crate::lab::{MoveTimes, is_usable};
use crate::process::{Process, append};
use crate::topology::Host;

/// `ip monitor address` on a host.
#[derive(Debug)]
pub struct AddressMonitor {
    host: String,
    process: Process,
    lines: Lines,
    log: PathBuf,
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
        let mut process =
            Process::start_with_output("ip monitor", command.stdout(Stdio::piped()), &log)?;
        let output = process.take_output()?;
        Ok(Self {
            host: host.name().to_owned(),
            lines: Lines::read(output, clock)?,
            process,
            log,
        })
    }

    /// The host that is watched.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Stops to watch, and returns the lines of `ip`, which are left in the log as well.
    ///
    /// # Errors
    /// [`LabError::Io`] when the log cannot be written.
    pub fn finish(mut self) -> Result<Vec<Line>, LabError> {
        self.process.stop();
        let lines = self.lines.finish();
        let text: String = lines
            .iter()
            .map(|line| format!("{:10.4} {}\n", line.at.as_secs_f64(), line.text))
            .collect();
        append(&self.log).and_then(|mut log| {
            log.write_all(text.as_bytes())
                .doing(|| "write a log".to_owned())
        })?;
        Ok(lines)
    }
}

/// When an address became usable because of a move: the first report that it is, or the moment of
/// attachment when it was usable all the time.
pub fn became_usable(
    lines: &[Line],
    address: Ipv6Addr,
    times: MoveTimes,
    end: Duration,
) -> Option<Duration> {
    let begin = times.begin();
    let mut about = lines.iter().filter(|line| names(&line.text, address));
    let (mut before, mut after) = (false, None);
    for line in about.by_ref().take_while(|line| line.at < end) {
        if line.at < begin {
            before = is_preferred(&line.text);
        } else if after.is_none() && is_preferred(&line.text) {
            after = Some(line.at);
        }
    }
    if before { Some(times.attached) } else { after }
}

fn names(line: &str, address: Ipv6Addr) -> bool {
    let addresses = line
        .split_whitespace()
        .filter_map(|word| word.split_once('/')?.0.parse::<Ipv6Addr>().ok());
    addresses.into_iter().any(|found| found == address)
}

/// Whether new sessions use the address that a line is about.
fn is_preferred(line: &str) -> bool {
    let gone = line.starts_with("Deleted") || line.contains(" deprecated ");
    !gone && is_usable(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = "2: eth0    inet6 2001:db8:b::1/64 scope global dynamic ";
    const TENTATIVE: &str = "2: eth0    inet6 2001:db8:b::1/64 scope global tentative dynamic ";
    const OPTIMISTIC: &str =
        "2: eth0    inet6 2001:db8:b::1/64 scope global tentative optimistic dynamic ";
    const DEPRECATED: &str = "2: eth0    inet6 2001:db8:b::1/64 scope global deprecated dynamic ";
    const DELETED: &str = "Deleted 2: eth0    inet6 2001:db8:b::1/64 scope global dynamic ";
    const OTHER: &str = "2: eth0    inet6 2001:db8:a::1/64 scope global dynamic ";

    #[test]
    fn an_address_is_usable_when_it_is_optimistic_or_checked() {
        // The cut is at 10 s, the attachment at 11 s, the end at 20 s.
        type Said = &'static [(u64, &'static str)];
        let table: [(Said, Option<u64>); 7] = [
            (&[(12, CREATED)], Some(12)),
            (
                &[
                    (12, OTHER),
                    (13, TENTATIVE),
                    (15, OPTIMISTIC),
                    (16, CREATED),
                ],
                Some(15),
            ),
            (&[(5, CREATED)], Some(11)),
            (&[(5, CREATED), (12, CREATED)], Some(11)),
            (&[(5, CREATED), (6, DEPRECATED), (12, CREATED)], Some(12)),
            (&[(5, CREATED), (6, DELETED)], None),
            (&[(12, TENTATIVE), (21, CREATED)], None),
        ];
        let times = MoveTimes {
            cut: Duration::from_secs(10),
            attached: Duration::from_secs(11),
        };
        let address = "2001:db8:b::1".parse().unwrap();
        for (said, expected) in table {
            let lines: Vec<Line> = said
                .iter()
                .map(|&(at, text)| Line {
                    at: Duration::from_secs(at),
                    text: text.to_owned(),
                })
                .collect();
            let found = became_usable(&lines, address, times, Duration::from_secs(20));
            assert_eq!(found, expected.map(Duration::from_secs), "{said:?}");
        }
    }
}
