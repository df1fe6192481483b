//! iperf3, TCP as fast as it goes.

use std::process::Stdio;

use super::server::wait_until_listening;
use super::{Observed, Place, Session};
use crate::error::LabError;
use crate::measure::flow::{Arrival, Flow, Unit};
use crate::measure::lines::{Line, Lines};
use crate::process::{Process, status_text};

/// A running iperf3. What arrives is what its server reports, every tenth of a second.
pub(super) struct Iperf3 {
    client: Process,
    server: Process,
    reports: Lines,
    from: String,
    to: String,
}

impl Iperf3 {
    pub(super) fn start(place: &Place<'_>) -> Result<Self, LabError> {
        let port = place.port.to_string();
        let host = place.to.in_namespace()?;
        let mut command = host.command("iperf3");
        command.args(["-s", "-i", "0.1", "-f", "k", "--forceflush", "-p", &port]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut server = Process::start_with_output("iperf3 -s", &mut command, &place.log)?;
        let reports = Lines::read(server.take_output()?, place.clock)?;
        wait_until_listening(host, place.port, &mut server)?;
        let mut command = place.from.command("iperf3");
        // The session is ended by the lab; the margin keeps it from ending by itself before.
        let seconds = place.duration.as_secs() + 60;
        command.args(["-6", "-c", &place.target, "-p", &port]);
        command.args(["-t", &seconds.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let client = Process::start_with_output("iperf3 -c", &mut command, &place.log)?;
        Ok(Self {
            client,
            server,
            reports,
            from: place.from.name().to_owned(),
            to: place.to.name().to_owned(),
        })
    }
}

impl Session for Iperf3 {
    fn is_established(&mut self) -> bool {
        !arrivals(&self.reports.so_far()).is_empty()
    }

    fn stop_sending(&mut self) {
        // It sends until it is ended.
    }

    fn finish(mut self: Box<Self>) -> Result<Observed, LabError> {
        let status = self.client.ended();
        self.client.stop();
        self.server.stop();
        Ok(Observed {
            flows: vec![Flow {
                from: self.from.clone(),
                to: self.to.clone(),
                unit: Unit::Octets,
                sent: None,
                arrivals: arrivals(&self.reports.finish()),
                complete: None,
            }],
            failure: status.map(|status| format!("iperf3 ended with {}", status_text(status))),
            intact: None,
        })
    }
}

/// The octets that came up to each report in which some did.
fn arrivals(lines: &[Line]) -> Vec<Arrival> {
    let mut total = 0;
    let mut arrivals = vec![];
    for line in lines {
        if let Some(octets) = transferred(&line.text).filter(|&octets| octets > 0) {
            total += octets;
            arrivals.push(Arrival::new(line.at, total));
        }
    }
    arrivals
}

/// The octets in a line of the form `[  5]   0.10-0.20   sec  1.25 MBytes  104858 Kbits/sec`.
fn transferred(line: &str) -> Option<u64> {
    let mut words = line.split_once(']')?.1.split_whitespace();
    let (_interval, sec) = (words.next()?, words.next()?);
    let (number, unit) = (words.next()?.parse::<f64>().ok()?, words.next()?);
    let factor = match unit {
        "Bytes" => 1.0,
        "KBytes" => 1024.0,
        "MBytes" => 1_048_576.0,
        "GBytes" => 1_073_741_824.0,
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates; iperf3 prints no negative sizes"
    )]
    (sec == "sec").then_some((number * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_reports_of_iperf3() {
        let line = "[  5]   0.10-0.20   sec  1.25 MBytes  104858 Kbits/sec";
        assert_eq!(transferred(line), Some(1_310_720));
        let line = "[  5]   0.20-0.30   sec  0.00 Bytes  0.00 Kbits/sec";
        assert_eq!(transferred(line), Some(0));
        for line in [
            "[ ID] Interval           Transfer     Bitrate",
            "-----",
            "[  5] local ::1 port 5201 connected to ::1 port 49862",
            "",
        ] {
            assert_eq!(transferred(line), None, "{line}");
        }
    }
}
