//! Probes between two virtual machines. Their near end runs in one of them and has its clock; the
//! lab starts it, and fetches what it has written down.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::ask::{read, uptime};
use super::{Settings, is_contiguous};
use crate::clock::Clock;
use crate::error::LabError;
use crate::guest::console::{Answer, Console};
use crate::machine::Machine;
use crate::measure::flow::{Flow, Unit};
use crate::workload::in_guest::PROBE_END;
use crate::workload::{Observed, Session};

const CONNECT: Duration = Duration::from_secs(5);
/// To fetch some megabytes takes a slow guest a while.
const COMMAND: Duration = Duration::from_secs(60);

/// Probes under way from a virtual machine that stays where it is.
pub(crate) struct Guest {
    /// The lab's line into it.
    socket: PathBuf,
    /// Its folder of this session.
    folder: String,
    guest: String,
    settings: Settings,
    clock: Clock,
    /// When the session was started: on the clock of the lab, and since the guest's start.
    begun: (Duration, Duration),
}

impl Guest {
    /// Starts to send probes from `near` to `remote`. `name` tells the session from others.
    pub(crate) fn start(
        near: &Machine,
        remote: SocketAddr,
        settings: &Settings,
        name: &str,
        clock: Clock,
    ) -> Result<Self, LabError> {
        let mut session = Self {
            socket: near.console_at(near.hypervisor()),
            folder: format!("/lab/{name}"),
            guest: near.name().to_owned(),
            settings: *settings,
            clock,
            begun: (Duration::ZERO, Duration::ZERO),
        };
        let folder = &session.folder;
        let over = if settings.over_tcp { "tcp" } else { "udp" };
        let command = format!(
            "{PROBE_END} ask {over} {remote} {folder}/arrivals --interval {} \
             --length {} >/dev/console 2>&1 & echo $! >{folder}/pid",
            settings.interval.as_micros(),
            settings.length,
        );
        session.run(&format!("mkdir -p {folder}"))?;
        session.run(&command)?;
        session.begun = session.time()?;
        Ok(session)
    }

    fn run(&self, command: &str) -> Result<Answer, LabError> {
        Console::connect(&self.socket, CONNECT)?.run(command, COMMAND)
    }

    /// What time it is, on the clock of the lab and since the guest's start: within some 10 ms.
    fn time(&self) -> Result<(Duration, Duration), LabError> {
        let asked = self.clock.now();
        let answer = self.run("cat /proc/uptime")?;
        let middle = (asked + self.clock.now()) / 2;
        let text = String::from_utf8_lossy(&answer.output);
        let uptime = uptime(&text)
            .ok_or_else(|| LabError::Misuse(format!("{} does not tell its uptime", self.guest)))?;
        Ok((middle, uptime))
    }
}

impl Session for Guest {
    fn is_established(&mut self) -> bool {
        let written = self.run(&format!("test -s {}/arrivals", self.folder));
        written.is_ok_and(|answer| answer.status == 0)
    }

    fn stop_sending(&mut self) {
        // It sends until it is ended.
    }

    fn finish(self: Box<Self>) -> Result<Observed, LabError> {
        let folder = &self.folder;
        let ended = self.run(&format!("kill $(cat {folder}/pid)"))?;
        let failure = (ended.status != 0)
            .then(|| format!("its end in {} is gone; see the log of it", self.guest));
        let mut arrivals = read(&self.run(&format!("cat {folder}/arrivals"))?.output);
        let scale = Scale::new(self.begun, self.time()?);
        for arrival in &mut arrivals {
            arrival.at = scale.lab(arrival.at);
        }
        let over_tcp = self.settings.over_tcp;
        let flow = Flow {
            // What came back: there and back again.
            from: self.guest.clone(),
            to: self.guest.clone(),
            unit: if over_tcp {
                Unit::Records
            } else {
                Unit::Packets
            },
            sent: None,
            arrivals,
            complete: None,
        };
        let intact = over_tcp.then(|| is_contiguous(&flow));
        Ok(Observed {
            flows: vec![flow],
            failure,
            intact,
        })
    }
}

/// How the clock of the lab and that of a guest go together: emulated clocks run a little fast or
/// slow.
struct Scale {
    lab: Duration,
    guest: Duration,
    /// Seconds of the lab in one of the guest.
    rate: f64,
}

impl Scale {
    /// Out of two readings of both, the lab's first.
    fn new(first: (Duration, Duration), last: (Duration, Duration)) -> Self {
        let [lab, guest] = [(first.0, last.0), (first.1, last.1)]
            .map(|(first, last)| last.saturating_sub(first).as_secs_f64());
        Self {
            lab: first.0,
            guest: first.1,
            rate: if guest > 0.0 { lab / guest } else { 1.0 },
        }
    }

    fn lab(&self, guest: Duration) -> Duration {
        let since = (guest.as_secs_f64() - self.guest.as_secs_f64()) * self.rate;
        let at = self.lab.as_secs_f64() + since;
        Duration::try_from_secs_f64(at).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_guest_are_told_in_those_of_the_lab() {
        let at = Duration::from_secs;
        let scale = Scale::new((at(100), at(20)), (at(300), at(120)));
        assert_eq!(scale.lab(at(20)), at(100));
        assert_eq!(scale.lab(at(70)), at(200));
        assert_eq!(scale.lab(at(10)), at(80), "before the first reading");
        let still = Scale::new((at(100), at(20)), (at(100), at(20)));
        assert_eq!(still.lab(at(21)), at(101));
    }
}
