//! What a run says: a table for people, JSON and CSV for programs, and a time line to look at.

mod csv_files;
mod interruption;
mod names;
mod neighbour;
mod relocation;
mod session;
mod table;
pub mod timeline;

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::error::{Doing, LabError};
use crate::run::{Moved, Run};
use crate::scenario::{MoveKind, Protocol, Scenario};

pub use interruption::{Interruption, Kind};
pub use names::{NameReport, VisibleReport};
pub use neighbour::{Beside, NeighbourFlow, NeighbourReport, Stretch};
pub use relocation::{PhaseReport, RelocationReport};
pub use session::{FlowReport, SessionReport};

/// The version of the JSON document.
const SCHEMA: u32 = 1;

/// A scenario's runs, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The version of this document.
    pub schema: u32,
    /// The name of the scenario.
    pub scenario: String,
    /// What others have published of the like.
    pub published: Option<String>,
    /// One for each protocol.
    pub runs: Vec<RunReport>,
}

/// One run, judged. All times are milliseconds from the moment at which every session was
/// established, unless it is said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// What carried the sessions.
    pub protocol: Protocol,
    /// How long the sessions were watched.
    pub duration_ms: f64,
    /// Every move.
    pub moves: Vec<MoveReport>,
    /// What the moves did to the sessions, when there is more than one move.
    pub interruptions: Vec<Interruption>,
    /// What the copies of virtual machines did to sessions between other hosts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<NeighbourReport>,
    /// Every session.
    pub sessions: Vec<SessionReport>,
    /// Every Locator Update of a moving host and its acknowledgements.
    pub updates: Vec<UpdateReport>,
    /// What each name server showed of each host that publishes itself.
    pub names: Vec<NameReport>,
}

/// A move as it happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MoveReport {
    /// Who moved.
    pub host: String,
    /// Where to.
    pub to: String,
    /// Whether it was in that site before.
    pub inside_site: bool,
    /// How.
    pub kind: MoveKind,
    /// The old attachment was cut.
    pub cut_ms: f64,
    /// The new attachment had its carrier.
    pub attached_ms: f64,
    /// The kernel had a usable address of the new site.
    pub usable_ms: Option<f64>,
    /// The first Locator Update left.
    pub updated_ms: Option<f64>,
    /// The first acknowledgement came.
    pub acknowledged_ms: Option<f64>,
    /// What the hypervisors' agents say of it, when the host is a virtual machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relocation: Option<RelocationReport>,
    /// Each name server that the host is published at.
    pub published: Vec<VisibleReport>,
}

/// A Locator Update on the wire.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UpdateReport {
    /// When.
    pub at_ms: f64,
    /// Whether it is an acknowledgement.
    pub acknowledgement: bool,
    /// Who sent it.
    pub source: std::net::Ipv6Addr,
    /// To whom.
    pub destination: std::net::Ipv6Addr,
    /// The Locators that it carries.
    pub locators: Vec<ilnp_core::id::Locator>,
}

impl Report {
    /// Judges the runs of a scenario.
    pub fn new(scenario: &Scenario, runs: &[Run]) -> Self {
        Self {
            schema: SCHEMA,
            scenario: scenario.name.clone(),
            published: scenario.published.clone(),
            runs: runs
                .iter()
                .map(|run| RunReport::new(scenario, run))
                .collect(),
        }
    }

    /// Whether every session over ILNP survived, went where the other host was, and every name
    /// server shows every host where it is. What dies over plain IPv6 is a finding and no failure.
    pub fn is_success(&self) -> bool {
        let mut names = self.runs.iter().flat_map(|run| &run.names);
        self.ilnp_survived() && names.all(NameReport::is_right)
    }

    /// Whether every session over ILNP survived.
    pub fn ilnp_survived(&self) -> bool {
        let over_ilnp = |run: &&RunReport| run.protocol == Protocol::Ilnp;
        let mut sessions = self
            .runs
            .iter()
            .filter(over_ilnp)
            .flat_map(|run| &run.sessions);
        sessions.all(|session| session.survived)
    }

    /// The table for people.
    pub fn table(&self) -> String {
        table::of(self)
    }

    /// The JSON document.
    ///
    /// # Errors
    /// [`LabError::Io`] when it cannot be written as JSON, which is a mistake of the lab's.
    pub fn json(&self) -> Result<String, LabError> {
        serde_json::to_string_pretty(self).doing(|| "write the report as JSON".to_owned())
    }

    /// Writes `report.json`, `report.txt`, `sessions.csv`, `moves.csv`, and for each run its arrivals as CSV
    /// and its time line as SVG into a folder.
    ///
    /// # Errors
    /// [`LabError::Io`] when a file cannot be written.
    pub fn write(&self, runs: &[Run], folder: &Path) -> Result<(), LabError> {
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::write(&file, text).doing(|| format!("write {}", file.display()))
        };
        write("report.json", &self.json()?)?;
        write("report.txt", &self.table())?;
        csv_files::write_sessions(self, &folder.join("sessions.csv"))?;
        csv_files::write_moves(self, &folder.join("moves.csv"))?;
        for run in runs {
            let key = run.protocol.key();
            csv_files::write_arrivals(run, &folder.join(format!("{key}-arrivals.csv")))?;
            let file = folder.join(format!("{key}-timeline.svg"));
            timeline::draw(&self.scenario, run, &file)?;
        }
        Ok(())
    }
}

impl RunReport {
    fn new(scenario: &Scenario, run: &Run) -> Self {
        let ms = |at| since(run.start, at);
        let sessions = run.sessions.iter();
        let moves = run.moves.iter().enumerate();
        let mut report = Self {
            protocol: run.protocol,
            duration_ms: ms(run.end),
            moves: moves
                .map(|(index, moved)| {
                    let inside = site_before(scenario, run, index) == Some(&moved.step.to);
                    MoveReport::new(moved, inside, run)
                })
                .collect(),
            interruptions: vec![],
            neighbours: vec![],
            sessions: sessions.map(|s| SessionReport::new(s, run)).collect(),
            updates: run
                .updates
                .iter()
                .map(|update| UpdateReport {
                    at_ms: ms(update.at),
                    acknowledgement: update.acknowledgement,
                    source: update.source,
                    destination: update.destination,
                    locators: update.locators.clone(),
                })
                .collect(),
            names: run.names.iter().map(NameReport::new).collect(),
        };
        report.neighbours = neighbour::neighbours(run, &report.moves);
        if report.moves.len() > 1 {
            report.interruptions = interruption::distributions(&report);
        }
        report
    }
}

/// The site that the host of a move was in before.
fn site_before<'a>(scenario: &'a Scenario, run: &'a Run, index: usize) -> Option<&'a String> {
    let host = &run.moves.get(index)?.step.host;
    let mut before = run.moves.iter().take(index).rev();
    let last = before.find(|moved| moved.step.host == *host);
    let first = || scenario.hosts.iter().find(|one| one.name == *host);
    last.map(|moved| &moved.step.to)
        .or_else(|| first().map(|host| &host.site))
}

impl MoveReport {
    fn new(moved: &Moved, inside_site: bool, run: &Run) -> Self {
        let ms = |at| since(run.start, at);
        Self {
            host: moved.step.host.clone(),
            to: moved.step.to.clone(),
            inside_site,
            kind: moved.step.kind,
            cut_ms: ms(moved.times.cut),
            attached_ms: ms(moved.times.attached),
            usable_ms: moved.usable.map(ms),
            updated_ms: moved.updated.map(ms),
            acknowledged_ms: moved.acknowledged.map(ms),
            relocation: moved
                .relocation
                .as_ref()
                .map(|one| RelocationReport::new(one, moved.times.cut, run.start)),
            published: moved
                .published
                .iter()
                .map(|(server, at)| VisibleReport {
                    server: server.clone(),
                    visible_ms: at.map(ms),
                })
                .collect(),
        }
    }
}

/// Milliseconds from one time to another, negative when it was before; to the microsecond.
fn since(start: Duration, at: Duration) -> f64 {
    let (from, to) = (start.as_secs_f64(), at.as_secs_f64());
    ((to - from) * 1e6).round() / 1e3
}
