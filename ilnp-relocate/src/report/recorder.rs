//! Writes a report while the relocation goes on, and tells everybody who listens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use super::event::seconds_since_1970;
use super::{Event, Line, Outcome, Phase, PhaseTimes, Report, SCHEMA, Sent, Told, milliseconds};
use crate::channel::RelocationId;
use crate::hypervisor::{Copied, Progress, Storage};
use crate::site::Site;

/// Who hears of a relocation may be this many lines late; older ones are lost to them.
const BACKLOG: usize = 256;

/// Writes the report of one relocation. Copies write the same one.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    begun: Instant,
    report: Mutex<Report>,
    lines: broadcast::Sender<Line>,
}

impl Recorder {
    /// The report of a relocation that begins now.
    #[must_use]
    pub fn new(
        relocation: RelocationId,
        guest: &str,
        (from, to): (Site, Site),
        epoch: u64,
        storage: Storage,
    ) -> Self {
        let recorder = Self(Arc::new(Inner {
            begun: Instant::now(),
            report: Mutex::new(Report {
                schema: SCHEMA,
                relocation,
                guest: guest.to_owned(),
                from,
                to,
                epoch,
                asked_s: seconds_since_1970(),
                outcome: None,
                reason: None,
                storage,
                soft: false,
                unprepared: None,
                phases: Vec::new(),
                sent: Sent::default(),
                downtime_ms: None,
                stopped_ms: None,
                told: Vec::new(),
            }),
            lines: broadcast::Sender::new(BACKLOG),
        }));
        recorder.phase(Phase::Prepare);
        recorder
    }

    /// Goes on with a report that an earlier agent has begun. What its phases took by the clock of
    /// that one is known; from now on it is not.
    #[must_use]
    pub fn take_up(report: Report) -> Self {
        let now = seconds_since_1970();
        let since = Duration::try_from_secs_f64(now - report.asked_s).unwrap_or_default();
        let begun = Instant::now();
        Self(Arc::new(Inner {
            begun: begun.checked_sub(since).unwrap_or(begun),
            report: Mutex::new(report),
            lines: broadcast::Sender::new(BACKLOG),
        }))
    }

    /// Hears of everything from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Line> {
        self.0.lines.subscribe()
    }

    /// As it is now.
    #[must_use]
    pub fn report(&self) -> Report {
        self.lock().clone()
    }

    /// What the relocation is, and how it went so far.
    #[must_use]
    pub fn so_far(&self) -> Vec<Line> {
        let report = self.lock();
        let (guest, to) = (report.guest.clone(), report.to.to_string());
        let phases = report.phases.iter();
        let phases = phases.map(|&PhaseTimes { phase, .. }| Event::Phase { phase });
        let ended = report.outcome.map(|_| Event::Ended {
            report: Box::new(report.clone()),
        });
        [Event::Begun { guest, to }]
            .into_iter()
            .chain(phases)
            .chain(ended)
            .map(|event| Line::now(report.relocation, event))
            .collect()
    }

    /// The next phase begins.
    pub fn phase(&self, phase: Phase) {
        let at_ms = milliseconds(self.0.begun.elapsed());
        {
            let mut report = self.lock();
            if report.phases.last().is_some_and(|last| last.phase == phase) {
                return;
            }
            if let Some(last) = report.phases.last_mut() {
                last.took_ms = Some(at_ms - last.at_ms);
                if last.phase == Phase::Stop {
                    report.stopped_ms = report.phases.last().and_then(|stop| stop.took_ms);
                }
            }
            report.phases.push(PhaseTimes {
                phase,
                at_ms,
                took_ms: None,
            });
        }
        self.tell(Event::Phase { phase });
    }

    /// The guest knows in advance, or why not.
    pub fn told_in_advance(&self, unprepared: Option<String>) {
        let mut report = self.lock();
        report.soft = unprepared.is_none();
        report.unprepared = unprepared;
    }

    /// The copy goes on.
    pub fn progress(&self, progress: Progress) {
        self.phase(match progress {
            Progress::Disks { .. } => Phase::Disks,
            Progress::Memory { .. } => Phase::Memory,
            Progress::Stopped => Phase::Stop,
        });
        self.tell(Event::Copying { progress });
    }

    /// Everything has been copied.
    pub fn copied(&self, copied: &Copied) {
        let mut report = self.lock();
        report.sent.memory = copied.memory;
        report.sent.disks = copied.disks;
    }

    /// How long the guest stood still, by the hypervisor.
    pub fn downtime(&self, downtime: Option<Duration>) {
        self.lock().downtime_ms = downtime.map(milliseconds);
    }

    /// So much has gone through the connection.
    pub fn sent(&self, octets: u64) {
        self.lock().sent.copies = octets;
    }

    /// Something must be tried again.
    pub fn waiting(&self, reason: String) {
        self.tell(Event::Waiting { reason });
    }

    /// The guest told something after the move.
    pub fn told(&self, told: Told) {
        self.lock().told.push(told.clone());
        self.tell(Event::Told(told));
    }

    /// It has ended, unless it had already.
    pub fn ended(&self, outcome: Outcome, reason: Option<String>) {
        {
            let mut report = self.lock();
            if report.outcome.is_some() {
                return;
            }
            report.outcome = Some(outcome);
            report.reason = reason;
        }
        let report = Box::new(self.report());
        self.tell(Event::Ended { report });
    }

    fn tell(&self, event: Event) {
        let relocation = self.lock().relocation;
        // Nobody may listen.
        let _ = self.0.lines.send(Line::now(relocation, event));
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        // Every state of it is a whole one.
        self.0.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder() -> Recorder {
        let sites = ("a".parse().unwrap(), "b".parse().unwrap());
        let relocation = "00112233445566778899aabbccddeeff".parse().unwrap();
        Recorder::new(relocation, "vm1", sites, 2, Storage::Delta)
    }

    #[test]
    fn phases_follow_the_progress() {
        let recorder = recorder();
        let mut lines = recorder.listen();
        recorder.progress(Progress::Disks { done: 1, total: 2 });
        recorder.progress(Progress::Disks { done: 2, total: 2 });
        recorder.progress(Progress::Stopped);
        std::thread::sleep(Duration::from_millis(5));
        recorder.phase(Phase::Resume);
        recorder.ended(Outcome::Moved, None);
        recorder.ended(Outcome::Failed, Some("too late".to_owned()));
        let report = recorder.report();
        let phases: Vec<_> = report.phases.iter().map(|times| times.phase).collect();
        assert_eq!(
            phases,
            [Phase::Prepare, Phase::Disks, Phase::Stop, Phase::Resume]
        );
        assert!(report.stopped_ms.unwrap() >= 5.0);
        assert_eq!(report.outcome, Some(Outcome::Moved));
        let mut ended = 0;
        while let Ok(line) = lines.try_recv() {
            let text = serde_json::to_string(&line).unwrap();
            assert!(serde_json::from_str::<Line>(&text).is_ok(), "{text}");
            ended += usize::from(matches!(line.event, Event::Ended { .. }));
        }
        assert_eq!(ended, 1);
    }
}
