//! What watches hosts while the sessions run, and what it saw.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use ilnp_relocate::report::Report as Relocation;

use super::names::Published;
use super::steps::{Ended, Made};
use super::{Moved, Reached, Watched};
use crate::error::LabError;
use crate::lab::{Lab, MoveTimes};
use crate::measure::addresses::{AddressMonitor, became_usable};
use crate::measure::capture::Capture;
use crate::measure::frames;
use crate::measure::lines::Line;
use crate::measure::updates::{self, Update};
use crate::scenario::{Move, Protocol, Scenario};
use crate::topology::{Party, guest_port};

/// What watches hosts while the sessions run.
pub(super) struct Watch {
    captures: Vec<(String, Capture)>,
    monitors: Vec<AddressMonitor>,
}

/// What was seen of hosts.
pub(super) struct Seen {
    /// What `ip monitor` printed, by host.
    lines: HashMap<String, Vec<Line>>,
    /// The captures of each host.
    captures: Vec<(String, PathBuf)>,
    /// The Locator Updates of hosts that move.
    pub(super) updates: Vec<Update>,
}

impl Watch {
    /// Starts to watch every host of a scenario.
    pub(super) fn start(lab: &Lab, scenario: &Scenario) -> Result<Self, LabError> {
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
        for machine in lab.topology().machines.iter().filter(|_| scenario.captures) {
            for hypervisor in lab.topology().hypervisors() {
                let name = machine.name();
                let file = lab.out().join(format!("{name}-{}.pcap", hypervisor.name()));
                let capture = Capture::to_file(hypervisor.namespace(), &guest_port(name), file)?;
                watch.captures.push((name.to_owned(), capture));
            }
        }
        Ok(watch)
    }

    /// Ends it, and reads what was captured.
    pub(super) fn finish(self, lab: &Lab) -> Result<Seen, LabError> {
        let mut lines: HashMap<String, Vec<Line>> = HashMap::new();
        for monitor in self.monitors {
            lines.insert(monitor.host().to_owned(), monitor.finish()?);
        }
        let (mut captures, mut updates) = (vec![], vec![]);
        for (name, capture) in self.captures {
            let file = capture.finish();
            let moves = lines.contains_key(&name) || lab.topology().machine(&name).is_ok();
            if lab.protocol() == Protocol::Ilnp && moves {
                let nid = lab.topology().party(&name)?.settings().nid;
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
    pub(super) fn watched(
        &self,
        lab: &Lab,
        ended: Ended,
        start: Duration,
    ) -> Result<Watched, LabError> {
        let Ended {
            workload,
            begun,
            established,
            expected,
            observed,
        } = ended;
        let mut first = None;
        if workload.by_name {
            let nid = lab.topology().party(&workload.to)?.settings().nid;
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
    pub(super) fn moves(
        &self,
        lab: &Lab,
        made: &[Made],
        relocations: &[Relocation],
        names: &[Published],
    ) -> Result<Vec<Moved>, LabError> {
        let moves: Vec<(&Move, &Made)> = lab.scenario().moves.iter().zip(made).collect();
        let each = moves.iter().enumerate().map(|(index, (step, made))| {
            let mut later = moves.iter().skip(index + 1);
            let next = later.find(|(later, _)| later.host == step.host);
            let end = next.map_or(Duration::MAX, |(_, made)| made.times.begin());
            let mut all = relocations.iter();
            let relocation = all.find(|one| Some(one.relocation) == made.relocation);
            Ok(Moved {
                relocation: relocation.cloned(),
                ..self.moved(lab, step, made.times, end, names)?
            })
        });
        each.collect()
    }

    /// Joins a move with what came of it until `end`, when the host moves again.
    fn moved(
        &self,
        lab: &Lab,
        step: &Move,
        times: MoveTimes,
        end: Duration,
        names: &[Published],
    ) -> Result<Moved, LabError> {
        let (host, site) = (lab.topology().party(&step.host)?, lab.site(&step.to)?);
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
        let usable = match (host, host.address_in(site.settings())) {
            (Party::Host(_), Some(address)) => became_usable(seen, address, times, end),
            // Nobody tells what its kernel thinks; its first packet does.
            (Party::Machine(machine), Some(address)) => {
                let name = machine.name();
                let files = self.captures.iter().filter(|(host, _)| host == name);
                let mut first = None;
                for (_, file) in files {
                    let found = frames::first_from(address, file, lab.clock(), times.attached)?;
                    first = first.into_iter().chain(found).min();
                }
                first.filter(|at| *at < end)
            }
            (_, None) => None,
        };
        let own = names.iter().filter(|one| one.host == step.host);
        let prefixes = &site.settings().prefixes;
        Ok(Moved {
            step: step.clone(),
            times,
            usable,
            updated: first(false),
            acknowledged: first(true),
            relocation: None,
            published: own
                .map(|one| {
                    let at = one.shown.first(prefixes, &(begin..end));
                    (one.shown.server.clone(), at)
                })
                .collect(),
        })
    }
}
