//! Runs a scenario over one protocol: builds the lab, starts the sessions, moves the hosts in time,
//! and gathers what was seen.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use crate::error::LabError;
use crate::interrupt::Interrupt;
use crate::lab::{Lab, MoveTimes, Options, find_programs, require};
use crate::measure::addresses::{AddressMonitor, became_usable};
use crate::measure::capture::Capture;
use crate::measure::lines::Line;
use crate::measure::updates::{self, Update};
use crate::scenario::{Move, Protocol, Scenario, Workload};
use crate::workload::{self, Observed, Session};

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
    /// What was seen.
    pub observed: Observed,
}

/// What watches hosts while the sessions run.
struct Watch {
    captures: Vec<(String, Capture)>,
    monitors: Vec<AddressMonitor>,
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
    lab.start_daemons()?;
    let watch = Watch::start(&lab, scenario)?;
    let mut sessions = start_sessions(&lab, scenario)?;
    let start = lab.clock().now();
    tracing::info!(protocol = protocol.key(), "every session is established");
    let mut times = vec![];
    for step in &scenario.moves {
        interrupt.sleep_until(lab.clock().instant(start + step.at))?;
        tracing::info!(host = step.host, to = step.to, "moves");
        times.push(lab.move_host(&step.host, &step.to, step.kind, step.overlap)?);
    }
    interrupt.sleep_until(lab.clock().instant(start + scenario.duration))?;
    let end = lab.clock().now();
    sessions
        .iter_mut()
        .for_each(|session| session.stop_sending());
    interrupt.sleep_until(lab.clock().instant(end + LINGER))?;
    let observed = sessions
        .into_iter()
        .map(|session| session.finish())
        .collect::<Result<Vec<_>, _>>()?;
    lab.write_down_daemons()?;
    let (moves, updates) = watch.finish(&lab, &times)?;
    let sessions = scenario.workloads.iter().cloned().zip(observed);
    Ok(Run {
        protocol,
        start,
        end,
        moves,
        sessions: sessions
            .map(|(workload, observed)| Watched { workload, observed })
            .collect(),
        updates,
    })
}

fn start_sessions(lab: &Lab, scenario: &Scenario) -> Result<Vec<Box<dyn Session>>, LabError> {
    let mut sessions = vec![];
    for (index, workload) in (0u16..).zip(&scenario.workloads) {
        let mut session = workload::start(lab, workload, index)?;
        let name = format!(
            "{} from {} to {}",
            workload.program.name(),
            workload.from,
            workload.to
        );
        workload::wait_until_established(session.as_mut(), &name)?;
        sessions.push(session);
    }
    Ok(sessions)
}

impl Watch {
    fn start(lab: &Lab, scenario: &Scenario) -> Result<Self, LabError> {
        let mut watch = Self {
            captures: vec![],
            monitors: vec![],
        };
        for host in &lab.topology().hosts {
            let mut interfaces = host.interfaces();
            if host.speaks_ilnp() {
                interfaces.push("ilnp0".to_owned());
            }
            for interface in interfaces.iter().filter(|_| scenario.captures) {
                let capture = Capture::start(host, interface, lab.out())?;
                watch.captures.push((host.name().to_owned(), capture));
            }
            if scenario.moves.iter().any(|step| step.host == host.name()) {
                let monitor = AddressMonitor::start(host, lab.clock(), lab.out())?;
                watch.monitors.push(monitor);
            }
        }
        Ok(watch)
    }

    /// Ends it, and joins what was seen with the moves.
    fn finish(self, lab: &Lab, times: &[MoveTimes]) -> Result<(Vec<Moved>, Vec<Update>), LabError> {
        let mut lines: HashMap<String, Vec<Line>> = HashMap::new();
        for monitor in self.monitors {
            lines.insert(monitor.host().to_owned(), monitor.finish()?);
        }
        let mut updates = vec![];
        for (name, capture) in self.captures {
            let file = capture.finish();
            if lab.protocol() == Protocol::Ilnp && lines.contains_key(&name) {
                let nid = lab.host(&name)?.settings().nid;
                let found = updates::read(&file, lab.clock())?;
                updates.extend(found.into_iter().filter(|update| update.sender() == nid));
            }
        }
        updates.sort_by_key(|update| update.at);
        let begins = times.iter().map(MoveTimes::begin).skip(1);
        let ends = begins.chain([Duration::MAX]);
        let steps = lab.scenario().moves.iter().zip(times).zip(ends);
        let moved = steps.map(|((step, times), end)| {
            let (host, site) = (lab.host(&step.host)?, lab.site(&step.to)?);
            let seen = lines.get(&step.host).map_or(&[][..], Vec::as_slice);
            let begin = times.begin();
            let first = |acknowledgement| {
                let mut related = updates.iter().filter(|update| {
                    update.sender() == host.settings().nid && (begin..end).contains(&update.at)
                });
                related
                    .find(|update| update.acknowledgement == acknowledgement)
                    .map(|update| update.at)
            };
            Ok(Moved {
                step: step.clone(),
                times: *times,
                usable: host
                    .address_in(site.settings())
                    .and_then(|address| became_usable(seen, address, *times, end)),
                updated: first(false),
                acknowledged: first(true),
            })
        });
        Ok((moved.collect::<Result<_, LabError>>()?, updates))
    }
}
