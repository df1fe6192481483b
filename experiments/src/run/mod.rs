//! Runs a scenario over one protocol: builds the lab, starts the sessions, moves the hosts in time,
//! and gathers what was seen.

mod names;
mod steps;

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use ilnp_core::id::Locator;

use crate::error::LabError;
use crate::interrupt::Interrupt;
use crate::lab::{Lab, MoveTimes, Options};
use crate::measure::addresses::{AddressMonitor, became_usable};
use crate::measure::capture::Capture;
use crate::measure::frames;
use crate::measure::lines::Line;
use crate::measure::updates::{self, Update};
use crate::programs::{find_programs, require};
use crate::scenario::{Move, Protocol, Scenario, Workload};
use crate::workload::{self, Observed};

use self::names::NameWatch;
use self::steps::{Ended, Steps};

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
    lab.start_name_servers()?;
    lab.start_daemons()?;
    let names = NameWatch::start(&lab)?;
    let watch = Watch::start(&lab, scenario)?;
    let mut steps = Steps::begin(&lab)?;
    let start = lab.clock().now();
    tracing::info!(protocol = protocol.key(), "every session is established");
    steps.perform(&mut lab, start, interrupt)?;
    interrupt.sleep_until(lab.clock().instant(start + scenario.duration))?;
    let end = lab.clock().now();
    steps.stop_sending();
    interrupt.sleep_until(lab.clock().instant(end + LINGER))?;
    let (times, sessions) = steps.finish()?;
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
        moves: seen.moves(&lab, &times, &names)?,
        sessions,
        updates: seen.updates,
        names,
    })
}

/// What was seen of hosts.
struct Seen {
    /// What `ip monitor` printed, by host.
    lines: HashMap<String, Vec<Line>>,
    /// The captures of each host.
    captures: Vec<(String, PathBuf)>,
    updates: Vec<Update>,
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

    /// Ends it, and reads what was captured.
    fn finish(self, lab: &Lab) -> Result<Seen, LabError> {
        let mut lines: HashMap<String, Vec<Line>> = HashMap::new();
        for monitor in self.monitors {
            lines.insert(monitor.host().to_owned(), monitor.finish()?);
        }
        let (mut captures, mut updates) = (vec![], vec![]);
        for (name, capture) in self.captures {
            let file = capture.finish();
            if lab.protocol() == Protocol::Ilnp && lines.contains_key(&name) {
                let nid = lab.host(&name)?.settings().nid;
                let found = updates::read(&file, lab.clock())?;
                updates.extend(found.into_iter().filter(|update| update.sender() == nid));
            }
            captures.push((name, file));
        }
        updates.sort_by_key(|update| update.at);
        Ok(Seen {
            lines,
            captures,
            updates,
        })
    }
}

impl Seen {
    /// Joins a session with where its first packet went.
    fn watched(&self, lab: &Lab, ended: Ended, start: Duration) -> Result<Watched, LabError> {
        let Ended {
            workload,
            begun,
            established,
            expected,
            observed,
        } = ended;
        let mut first = None;
        if workload.by_name {
            let nid = lab.host(&workload.to)?.settings().nid;
            let files = self
                .captures
                .iter()
                .filter(|(host, _)| *host == workload.from);
            for (_, file) in files {
                let found = frames::first_locator_of(nid, file, lab.clock(), begun)?;
                first = first.into_iter().chain(found).min();
            }
        }
        Ok(Watched {
            workload,
            start: established.max(start),
            reached: first.map(|(at, locator)| Reached {
                at,
                locator,
                expected,
            }),
            observed,
        })
    }

    /// Joins the moves with what came of them.
    fn moves(
        &self,
        lab: &Lab,
        times: &[MoveTimes],
        names: &[Published],
    ) -> Result<Vec<Moved>, LabError> {
        let begins = times.iter().map(MoveTimes::begin).skip(1);
        let ends = begins.chain([Duration::MAX]);
        let steps = lab.scenario().moves.iter().zip(times).zip(ends);
        steps
            .map(|((step, times), end)| self.moved(lab, step, *times, end, names))
            .collect()
    }

    /// Joins a move with what came of it until `end`.
    fn moved(
        &self,
        lab: &Lab,
        step: &Move,
        times: MoveTimes,
        end: Duration,
        names: &[Published],
    ) -> Result<Moved, LabError> {
        let (host, site) = (lab.host(&step.host)?, lab.site(&step.to)?);
        let seen = self.lines.get(&step.host).map_or(&[][..], Vec::as_slice);
        let begin = times.begin();
        let first = |acknowledgement| {
            let mut related = self.updates.iter().filter(|update| {
                update.sender() == host.settings().nid && (begin..end).contains(&update.at)
            });
            related
                .find(|update| update.acknowledgement == acknowledgement)
                .map(|update| update.at)
        };
        let own = names.iter().filter(|one| one.host == step.host);
        let prefixes = &site.settings().prefixes;
        Ok(Moved {
            step: step.clone(),
            times,
            usable: host
                .address_in(site.settings())
                .and_then(|address| became_usable(seen, address, times, end)),
            updated: first(false),
            acknowledged: first(true),
            published: own
                .map(|one| {
                    let at = one.shown.first(prefixes, &(begin..end));
                    (one.shown.server.clone(), at)
                })
                .collect(),
        })
    }
}
