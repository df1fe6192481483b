//! What happens in a run, in its time: sessions that start and hosts that move.

use std::thread::sleep;
use std::time::Duration;

use ilnp_core::id::Locator;
use ilnp_relocate::channel::RelocationId;

use super::names::locators_at;
use crate::error::LabError;
use crate::interrupt::Interrupt;
use crate::lab::{Lab, MoveTimes};
use crate::machine::Order;
use crate::scenario::{Move, MoveKind, Scenario, Workload};
use crate::workload::{self, Observed, Session};

/// Sessions under way, and moves that were made.
pub(super) struct Steps {
    /// In the order of the scenario; `None` for one that has not started.
    sessions: Vec<Option<Running>>,
    moves: Vec<Made>,
    /// For how long the scenario's time stood still so far.
    stood: Duration,
}

/// A move that was made.
pub(super) struct Made {
    pub(super) times: MoveTimes,
    /// Which relocation it was, when a virtual machine moved.
    pub(super) relocation: Option<RelocationId>,
}

/// A session under way.
struct Running {
    workload: Workload,
    begun: Duration,
    established: Duration,
    expected: Vec<Locator>,
    session: Box<dyn Session>,
}

/// A session that has ended.
pub(super) struct Ended {
    pub(super) workload: Workload,
    /// When its start began.
    pub(super) begun: Duration,
    /// When something had arrived in every direction, or [`begun`](Self::begun) when that never
    /// happened.
    pub(super) established: Duration,
    /// The Locators that the host that answers had then.
    pub(super) expected: Vec<Locator>,
    pub(super) observed: Observed,
}

/// Something that happens at its time.
enum Step<'a> {
    Move(&'a Move),
    /// The start of the session with this number.
    Session(usize, &'a Workload),
}

impl Steps {
    /// Starts the sessions that are there from the beginning.
    pub(super) fn begin(lab: &Lab) -> Result<Self, LabError> {
        let mut sessions = vec![];
        for (index, workload) in lab.scenario().workloads.iter().enumerate() {
            let from_the_beginning = workload.at.is_none();
            let running = from_the_beginning.then(|| Running::start(lab, workload, index));
            sessions.push(running.transpose()?);
        }
        Ok(Self {
            sessions,
            moves: vec![],
            stood: Duration::ZERO,
        })
    }

    /// Starts the other sessions and moves the hosts, each at its time after `start`, and waits for
    /// the end. The scenario's time stands still while a virtual machine is moved.
    pub(super) fn perform(
        &mut self,
        lab: &mut Lab,
        start: Duration,
        interrupt: &Interrupt,
    ) -> Result<(), LabError> {
        let scenario = lab.scenario().clone();
        for (at, step) in in_order(&scenario) {
            interrupt.sleep_until(lab.clock().instant(start + self.stood + at))?;
            match step {
                Step::Move(step) => {
                    tracing::info!(host = step.host, to = step.to, "moves");
                    let asked = lab.clock().now();
                    let made = make(lab, step)?;
                    if made.relocation.is_some() {
                        self.stood += lab.clock().now().saturating_sub(asked);
                    }
                    self.moves.push(made);
                }
                Step::Session(index, workload) => {
                    let program = workload.program.name();
                    tracing::info!(program, from = workload.from, "starts");
                    let running = Running::start(lab, workload, index)?;
                    if let Some(place) = self.sessions.get_mut(index) {
                        *place = Some(running);
                    }
                }
            }
        }
        interrupt.sleep_until(lab.clock().instant(start + self.stood + scenario.duration))
    }

    /// Lets every sender stop.
    pub(super) fn stop_sending(&mut self) {
        for running in self.sessions.iter_mut().flatten() {
            running.session.stop_sending();
        }
    }

    /// Ends every session.
    pub(super) fn finish(self) -> Result<(Vec<Made>, Vec<Ended>), LabError> {
        let running = self.sessions.into_iter().flatten();
        let ended = running.map(|running| {
            Ok(Ended {
                workload: running.workload,
                begun: running.begun,
                established: running.established,
                expected: running.expected,
                observed: running.session.finish()?,
            })
        });
        Ok((self.moves, ended.collect::<Result<_, LabError>>()?))
    }
}

impl Running {
    fn start(lab: &Lab, workload: &Workload, index: usize) -> Result<Self, LabError> {
        let number =
            u16::try_from(index).map_err(|_| LabError::Misuse("too many sessions".to_owned()))?;
        let begun = lab.clock().now();
        let mut session = workload::start(lab, workload, number)?;
        let name = format!(
            "{} from {} to {}",
            workload.program.name(),
            workload.from,
            workload.to
        );
        let established = match workload::wait_until_established(session.as_mut(), &name) {
            // That it reaches nobody is what a run may show.
            Err(error @ LabError::TimedOut { .. }) if workload.at.is_some() => {
                tracing::warn!("{error}");
                begun
            }
            waited => waited.map(|()| lab.clock().now())?,
        };
        Ok(Self {
            workload: workload.clone(),
            begun,
            established,
            expected: locators_at(lab, lab.topology().party(&workload.to)?.site())?,
            session,
        })
    }
}

/// Makes a move, and returns when it began to matter: with its silence, when it has one.
fn make(lab: &mut Lab, step: &Move) -> Result<Made, LabError> {
    if lab.topology().machine(&step.host).is_ok() {
        let order = Order {
            prepared: step.kind == MoveKind::Soft,
            bandwidth: step.bandwidth,
            fault: step.fault,
        };
        let (times, relocation) = lab.move_machine(&step.host, &step.to, order)?;
        return Ok(Made {
            times,
            relocation: Some(relocation),
        });
    }
    let silent = (step.kind == MoveKind::Hard && !step.silence.is_zero())
        .then(|| lab.silence(&step.host))
        .transpose()?;
    if silent.is_some() {
        sleep(step.silence);
    }
    let times = lab.move_host(&step.host, &step.to, step.kind, step.overlap)?;
    Ok(Made {
        times: MoveTimes {
            cut: silent.unwrap_or(times.cut),
            ..times
        },
        relocation: None,
    })
}

/// The steps of a scenario that have a time, in the order of their times.
fn in_order(scenario: &Scenario) -> Vec<(Duration, Step<'_>)> {
    let moves = scenario
        .moves
        .iter()
        .map(|step| (step.at, Step::Move(step)));
    let sessions = scenario.workloads.iter().enumerate();
    let late = sessions
        .filter_map(|(index, workload)| Some((workload.at?, Step::Session(index, workload))));
    let mut steps: Vec<_> = moves.chain(late).collect();
    steps.sort_by_key(|(at, _)| *at);
    steps
}
