//! What the name servers show of the hosts that publish themselves.

use std::net::Ipv6Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ilnp_core::id::Locator;
use ilnp_dns::rdata::L64;

use crate::error::LabError;
use crate::lab::Lab;
use crate::measure::records::{RecordMonitor, Shown};
use crate::process;
use crate::scenario::{Host, Software};

/// How long a host may take to publish itself at every server.
const FIRST: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(10);
/// The programs that are asked at the end, which are not the lab's own.
const WITNESSES: [&str; 2] = ["dig", "kdig"];

/// A host's records at one server, as they were seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The host.
    pub host: String,
    /// What runs on the server.
    pub software: Software,
    /// Its Locators at the end, in ascending order: what is to be seen.
    pub expected: Vec<Locator>,
    /// What the lab saw all the time.
    pub shown: Shown,
    /// What other programs said at the end.
    pub witnesses: Vec<Witness>,
}

/// What a program says about the L64 records of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The program.
    pub program: String,
    /// The Locators, in ascending order.
    pub locators: Vec<Locator>,
}

/// Watches every server of every host that publishes itself.
pub(super) struct NameWatch {
    monitors: Vec<Watched>,
}

/// A host, a server that it is published at, and who looks.
struct Watched {
    host: Host,
    software: Software,
    server: Ipv6Addr,
    monitor: RecordMonitor,
}

impl NameWatch {
    /// Starts to watch, and waits until every host is published at each of its servers.
    pub(super) fn start(lab: &Lab) -> Result<Self, LabError> {
        let mut monitors = vec![];
        for host in &lab.scenario().hosts {
            let Some(dns) = &host.dns else { continue };
            for server in lab.name_servers() {
                let settings = server.settings();
                let primary = settings.secondary_of.as_ref().unwrap_or(&settings.name);
                if dns.primaries.contains(primary) {
                    let monitor =
                        RecordMonitor::start(lab.topology(), server, &dns.name, lab.clock())?;
                    monitors.push(Watched {
                        host: host.clone(),
                        software: settings.kind,
                        server: server.address(),
                        monitor,
                    });
                }
            }
        }
        let watch = Self { monitors };
        watch.wait_until_published(lab)?;
        Ok(watch)
    }

    fn wait_until_published(&self, lab: &Lab) -> Result<(), LabError> {
        let end = Instant::now() + FIRST;
        for Watched { host, monitor, .. } in &self.monitors {
            let expected = locators_at(lab, &host.site)?;
            while monitor.so_far().last() != expected {
                if Instant::now() > end {
                    let server = monitor.so_far().server;
                    return Err(LabError::TimedOut {
                        what: format!("publication of {} at {server}", host.name),
                        seconds: FIRST.as_secs(),
                        hint: format!(
                            "see {}-hostd.log and {server}.log in {}",
                            host.name,
                            lab.out().display()
                        ),
                    });
                }
                sleep(POLL);
            }
        }
        Ok(())
    }

    /// Ends it, and lets other programs say what they see.
    pub(super) fn finish(self, lab: &Lab) -> Result<Vec<Published>, LabError> {
        let each = self.monitors.into_iter().map(|watched| {
            let (host, shown) = (watched.host, watched.monitor.finish());
            let machine = lab.topology().name_server(&shown.server)?;
            let mut witnesses = vec![];
            for program in WITNESSES {
                let mut command = machine.command(program);
                command.args([
                    &format!("@{}", watched.server),
                    &shown.name,
                    "L64",
                    "+short",
                ]);
                let said = process::run(&mut command, "").map_or_else(
                    |error| error.to_string(),
                    |output| String::from_utf8_lossy(&output.stdout).into_owned(),
                );
                witnesses.push(Witness {
                    program: program.to_owned(),
                    locators: read(&said),
                });
            }
            Ok(Published {
                software: watched.software,
                expected: locators_at(lab, lab.topology().party(&host.name)?.site())?,
                host: host.name,
                shown,
                witnesses,
            })
        });
        each.collect()
    }
}

/// The Locators of a host at a site, in ascending order.
pub(super) fn locators_at(lab: &Lab, site: &str) -> Result<Vec<Locator>, LabError> {
    let mut locators = lab.site(site)?.settings().prefixes.clone();
    locators.sort_unstable();
    Ok(locators)
}

/// The Locators in what `dig +short` prints. A line that is no L64 record is no Locator.
fn read(text: &str) -> Vec<Locator> {
    let records = text.lines().filter_map(|line| line.parse::<L64>().ok());
    let mut locators: Vec<Locator> = records.map(|record| record.locator).collect();
    locators.sort_unstable();
    locators
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_other_programs_print() {
        let locator = |bits| Locator::from_bits(bits);
        let table = [
            ("10 2001:0db8:000b:0000\n", vec![0x2001_0db8_000b_0000]),
            (
                "20 2001:db8:b:0\n10 2001:db8:a:0\n",
                vec![0x2001_0db8_000a_0000, 0x2001_0db8_000b_0000],
            ),
            (";; communications error: timed out\n", vec![]),
            ("", vec![]),
        ];
        for (text, expected) in table {
            let expected: Vec<Locator> = expected.into_iter().map(locator).collect();
            assert_eq!(read(text), expected, "{text:?}");
        }
    }
}
