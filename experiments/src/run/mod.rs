//! Runs a scenario over one protocol: builds the lab, starts the sessions, moves the hosts in time,
//! and gathers what was seen.

mod names;
mod steps;
mod watch;

use std::ops::Range;
use std::time::Duration;

use ilnp_core::id::Locator;
use ilnp_relocate::report::Report as Relocation;

use crate::error::LabError;
use crate::interrupt::Interrupt;
use crate::lab::{Lab, MoveTimes, Options};
use crate::measure::updates::Update;
use crate::programs::{find_programs, require};
use crate::scenario::{Move, Protocol, Scenario, Workload};
use crate::workload::{self, Observed};

use self::names::NameWatch;
use self::steps::Steps;
use self::watch::Watch;

pub use self::names::{Published, Witness};

/// How long what is under way at the end may take to arrive.
const LINGER: Duration = Duration::from_secs(1);

/// For how long after a move gaps are put down to it.
const SETTLING: Duration = Duration::from_secs(1);

/// What was seen in one run. Times are on the clock of the run's lab.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What carried the sessions.
    pub protocol: Protocol,
    /// When every session was established; the scenario's times count from here.
    pub start: Duration,
    /// When the senders were stopped.
    pub end: Duration,
    /// Every move, in its order.
    pub moves: Vec<Moved>,
    /// Every session, in the order of the scenario.
    pub sessions: Vec<Watched>,
    /// Every Locator Update that a moving host sent or received; empty without captures.
    pub updates: Vec<Update>,
    /// What each name server showed of each host that publishes itself.
    pub names: Vec<Published>,
}

/// A move as it happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// As the scenario has it.
    pub step: Move,
    /// When the cable was moved.
    pub times: MoveTimes,
    /// When the kernel had a usable address of the new site.
    pub usable: Option<Duration>,
    /// When the first Locator Update left that was sent because of the move.
    pub updated: Option<Duration>,
    /// When the first acknowledgement of it came.
    pub acknowledged: Option<Duration>,
    /// What the agents of the hypervisors say of it, when a virtual machine moved.
    pub relocation: Option<Relocation>,
    /// When each name server showed the Locators of the new site: server, and when.
    pub published: Vec<(String, Option<Duration>)>,
}

impl Moved {
    /// The time in which a gap that begins is a gap that the move made: up to a second after the
    /// new site could be used.
    pub fn window(&self) -> Range<Duration> {
        let ready = self.usable.unwrap_or(self.times.attached);
        let last = ready.max(self.times.cut).max(self.times.attached);
        self.times.begin()..last + SETTLING
    }
}

/// A session and what was seen of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// As the scenario has it.
    pub workload: Workload,
    /// When it was established, [`Run::start`] for one that was there from the beginning.
    pub start: Duration,
    /// Where its first packet went, when it goes by name and captures were made.
    pub reached: Option<Reached>,
    /// What was seen.
    pub observed: Observed,
}

/// Where the first ILNP packet of a session went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// When.
    pub at: Duration,
    /// The Locator in it.
    pub locator: Locator,
    /// The Locators that the other host had when the session began.
    pub expected: Vec<Locator>,
}

/// Checks that a scenario can be run: root, and every program that it needs.
///
/// # Errors
/// [`LabError`] with what is missing, and where it is to be had.
pub fn check(scenario: &Scenario, protocol: Protocol, options: &Options) -> Result<(), LabError> {
    find_programs(scenario, protocol, options)?;
    if scenario.captures {
        require("tcpdump", "tcpdump")?;
    }
    let mut programs = scenario.workloads.iter().map(|w| w.program);
    programs.try_for_each(workload::check_installed)
}

/// Runs a scenario over one protocol.
///
/// # Errors
/// [`LabError`] when the lab fails, or the user interrupts. That a session dies is no error.
pub fn run(
    scenario: &Scenario,
    protocol: Protocol,
    options: &Options,
    interrupt: &Interrupt,
) -> Result<Run, LabError> {
    check(scenario, protocol, options)?;
    let mut lab = Lab::build(scenario, protocol, options)?;
    lab.start_name_servers()?;
    lab.start_daemons()?;
    let names = NameWatch::start(&lab)?;
    let watch = Watch::start(&lab, scenario)?;
    let mut steps = Steps::begin(&lab)?;
    let start = lab.clock().now();
    tracing::info!(protocol = protocol.key(), "every session is established");
    steps.perform(&mut lab, start, interrupt)?;
    let end = lab.clock().now();
    steps.stop_sending();
    interrupt.sleep_until(lab.clock().instant(end + LINGER))?;
    let (moves, sessions) = steps.finish()?;
    let relocations = lab.relocations()?;
    let names = names.finish(&lab)?;
    lab.write_down_daemons()?;
    let seen = watch.finish(&lab)?;
    let sessions = sessions
        .into_iter()
        .map(|ended| seen.watched(&lab, ended, start))
        .collect::<Result<_, _>>()?;
    Ok(Run {
        protocol,
        start,
        end,
        moves: seen.moves(&lab, &moves, &relocations, &names)?,
        sessions,
        updates: seen.updates,
        names,
    })
}
