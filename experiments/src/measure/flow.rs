//! One direction of a session: what was sent, what arrived, and when.

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

/// Something numbered arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Arrival {
    /// When, on the clock of the lab.
    pub at: Duration,
    /// Its number. Packets and lines count from 0; a number of octets says how many came so far.
    pub number: u64,
    /// How long it was under way, when the sender told when it was sent.
    pub delay: Option<Duration>,
}

impl Arrival {
    /// An arrival of something that does not tell when it was sent.
    pub fn new(at: Duration, number: u64) -> Self {
        Self {
            at,
            number,
            delay: None,
        }
    }
}

/// What the numbers of a flow count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Packets, each with a number of its own. They may be lost.
    Packets,
    /// Records or lines of a reliable stream.
    Records,
    /// Octets of a reliable stream.
    Octets,
}

/// One direction of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The host that sends.
    pub from: String,
    /// The host at which arrivals are seen.
    pub to: String,
    /// What is counted.
    pub unit: Unit,
    /// How many were sent, when the sender tells.
    pub sent: Option<u64>,
    /// What arrived, in the order in which it did.
    pub arrivals: Vec<Arrival>,
    /// When everything had arrived, for a flow that ends by itself.
    pub complete: Option<Duration>,
}

/// A time in which nothing arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last arrival before it.
    pub from: Duration,
    /// The first arrival after it, or the end of the observation.
    pub to: Duration,
    /// Whether something arrived after it.
    pub ended: bool,
}

impl Gap {
    /// How long it was.
    pub fn length(&self) -> Duration {
        self.to.saturating_sub(self.from)
    }
}

impl Flow {
    /// How many different numbers arrived, or how many octets.
    pub fn received(&self) -> u64 {
        match self.unit {
            Unit::Octets => self.arrivals.last().map_or(0, |arrival| arrival.number),
            Unit::Packets | Unit::Records => {
                let mut numbers = self.numbers();
                numbers.dedup();
                numbers.len() as u64
            }
        }
    }

    /// How many numbers came more than once.
    pub fn duplicated(&self) -> u64 {
        match self.unit {
            Unit::Octets => 0,
            Unit::Packets | Unit::Records => self.arrivals.len() as u64 - self.received(),
        }
    }

    /// How many were sent and did not arrive, when the sender tells how many it sent.
    pub fn lost(&self) -> Option<u64> {
        Some(self.sent?.saturating_sub(self.received()))
    }

    /// How long things were under way: the shortest, the median and the longest.
    pub fn delays(&self) -> Option<[Duration; 3]> {
        let mut delays: Vec<Duration> = self.arrivals.iter().filter_map(|a| a.delay).collect();
        delays.sort_unstable();
        let median = delays.get(delays.len() / 2)?;
        Some([*delays.first()?, *median, *delays.last()?])
    }

    /// The longest gap that touches a window of time, of a flow that was observed until
    /// `observed`. A flow that is complete has no gap afterwards.
    pub fn longest_gap(&self, window: Range<Duration>, observed: Duration) -> Option<Gap> {
        let observed = self.complete.map_or(observed, |at| at.min(observed));
        let arrivals = self.arrivals.iter().map(|arrival| (arrival.at, true));
        let ends = arrivals
            .take_while(|(at, _)| *at < observed)
            .chain([(observed, self.complete.is_some())]);
        let mut last = None;
        let gaps = ends.map(|(to, ended)| Gap {
            from: last.replace(to).unwrap_or(window.start),
            to,
            ended,
        });
        gaps.skip_while(|gap| gap.to < window.start)
            .take_while(|gap| gap.from < window.end)
            .max_by_key(Gap::length)
    }

    /// The numbers that arrived, in ascending order.
    fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.arrivals.iter().map(|arrival| arrival.number).collect();
        numbers.sort_unstable();
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn flow(unit: Unit, arrivals: &[(u32, u64)]) -> Flow {
        Flow {
            from: "a".to_owned(),
            to: "b".to_owned(),
            unit,
            sent: Some(10),
            arrivals: arrivals
                .iter()
                .map(|&(at, number)| Arrival::new(MS * at, number))
                .collect(),
            complete: None,
        }
    }

    #[test]
    fn counts_losses_and_duplicates() {
        let flow = flow(Unit::Packets, &[(1, 0), (2, 2), (3, 1), (4, 2)]);
        assert_eq!(flow.received(), 3);
        assert_eq!(flow.duplicated(), 1);
        assert_eq!(flow.lost(), Some(7));
    }

    #[test]
    fn octets_count_what_came_so_far() {
        let flow = flow(Unit::Octets, &[(1, 4), (2, 9)]);
        assert_eq!((flow.received(), flow.lost()), (9, Some(1)));
    }

    #[test]
    fn finds_the_longest_gap_in_a_window() {
        let flow = flow(Unit::Packets, &[(10, 0), (30, 1), (35, 2), (65, 3)]);
        let gap = |begin: u32, end: u32, observed: u32| {
            let gap = flow.longest_gap(MS * begin..MS * end, MS * observed);
            gap.map(|gap| (gap.from.as_millis(), gap.to.as_millis(), gap.ended))
        };
        assert_eq!(
            gap(0, 36, 100),
            Some((35, 65, true)),
            "it may reach out of the window"
        );
        assert_eq!(gap(15, 33, 100), Some((10, 30, true)), "at either side");
        assert_eq!(gap(36, 70, 100), Some((65, 100, false)), "silence is a gap");
        assert_eq!(
            gap(36, 70, 60),
            Some((35, 60, false)),
            "as far as it was observed"
        );
        assert_eq!(gap(80, 90, 70), None, "nothing was observed");
    }

    #[test]
    fn a_complete_flow_may_be_silent() {
        let mut flow = flow(Unit::Packets, &[(10, 0), (12, 1)]);
        flow.complete = Some(MS * 12);
        let gap = |begin: u32| flow.longest_gap(MS * begin..MS * 100, MS * 100);
        assert_eq!(gap(5).map(|gap| gap.length()), Some(MS * 5));
        assert_eq!(gap(50), None);
    }

    #[test]
    fn a_flow_without_arrivals_is_one_gap() {
        let gap = flow(Unit::Packets, &[]).longest_gap(MS..MS * 50, MS * 100);
        assert_eq!(
            gap.map(|gap| (gap.length(), gap.ended)),
            Some((MS * 99, false))
        );
    }
}
