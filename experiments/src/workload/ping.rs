//! ping, fifty echo requests a second.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Observed, Place, Session};
use crate::error::LabError;
use crate::measure::flow::{Arrival, Flow, Unit};
use crate::measure::lines::{Line, Lines};
use crate::process::Process;

const END: Duration = Duration::from_secs(2);

/// A running ping. Its one flow is the round trip, seen where it was started.
#[derive(Debug)]
pub(super) struct Ping {
    process: Process,
    lines: Lines,
    from: String,
    to: String,
}

impl Ping {
    pub(super) fn start(place: &Place<'_>) -> Result<Self, LabError> {
        let mut command = place.from.command("ping");
        command.args(["-6", "-n", "-i", "0.02", &place.target]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Process::start_with_output("ping", &mut command, &place.log)?;
        let output = process.take_output()?;
        Ok(Self {
            lines: Lines::read(output, place.clock)?,
            process,
            from: place.to.name().to_owned(),
            to: place.from.name().to_owned(),
        })
    }
}

impl Session for Ping {
    fn is_established(&mut self) -> bool {
        self.lines.so_far().iter().any(|line| reply(line).is_some())
    }

    fn stop_sending(&mut self) {
        // ping tells its statistics and ends.
        self.process.signal(Signal::SIGINT);
    }

    fn finish(mut self: Box<Self>) -> Result<Observed, LabError> {
        self.process.wait(END);
        self.process.stop();
        let lines = self.lines.finish();
        let flow = Flow {
            from: self.from,
            to: self.to,
            unit: Unit::Packets,
            sent: lines.iter().find_map(transmitted),
            arrivals: lines.iter().filter_map(reply).collect(),
            complete: None,
        };
        Ok(Observed {
            flows: vec![flow],
            failure: None,
            intact: None,
        })
    }
}

fn reply(line: &Line) -> Option<Arrival> {
    let (before, after) = line.text.split_once("icmp_seq=")?;
    let number = after.split(' ').next()?.parse::<u64>().ok()?;
    before.contains("bytes from").then_some(
        // ping counts from 1.
        Arrival::new(line.at, number.saturating_sub(1)),
    )
}

fn transmitted(line: &Line) -> Option<u64> {
    let (count, _) = line.text.split_once(" packets transmitted")?;
    count.parse().ok()
}
