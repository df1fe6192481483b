//! The agents of hypervisors, `ilnp-relocate`, which start virtual machines and move them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ilnp_relocate::api::Reports;
use ilnp_relocate::channel::RelocationId;
use ilnp_relocate::report::{Event, Line, Phase, Report};

use super::Machine;
use crate::clock::Clock;
use crate::error::{Doing, LabError};
use crate::lab::MoveTimes;
use crate::process::{self, Process, last_lines};
use crate::scenario::Accelerator;
use crate::topology::{Hypervisor, Topology};

/// Where agents listen for each other.
const PORT: u16 = 7446;
const START: Duration = Duration::from_secs(20);
/// How long a move may take, over a slow link as well.
const MOVE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(20);

/// A running agent.
#[derive(Debug)]
pub(crate) struct Agent {
    hypervisor: String,
    program: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    process: Process,
}

/// Makes the certificates of every hypervisor's agent, in the folder of the run.
pub(crate) fn certify(program: &Path, topology: &Topology) -> Result<PathBuf, LabError> {
    let authority = topology.run_directory().join("authority");
    let pki = |words: &[&str]| {
        let mut command = Command::new(program);
        let (verb, rest) = words.split_at(1);
        command.arg("pki").args(verb).arg(&authority).args(rest);
        process::run(&mut command, "").map(drop)
    };
    pki(&["init", "--name", "ilnp-lab"])?;
    for hypervisor in topology.hypervisors() {
        pki(&["issue", hypervisor.name()])?;
    }
    Ok(authority)
}

impl Agent {
    /// Starts the agent of a hypervisor and waits until it answers.
    pub(crate) fn start(
        program: &Path,
        topology: &Topology,
        hypervisor: &Hypervisor,
        authority: &Path,
        out: &Path,
    ) -> Result<Self, LabError> {
        let name = hypervisor.name();
        let directory = topology.run_directory().join(format!("agent-{name}"));
        fs::create_dir_all(&directory).doing(|| format!("make {}", directory.display()))?;
        let file = out.join(format!("agent-{name}.toml"));
        let text = configuration(topology, hypervisor, authority, &directory, out)?;
        fs::write(&file, text).doing(|| format!("write {}", file.display()))?;
        let log = out.join(format!("agent-{name}.log"));
        let mut command = hypervisor.namespace().command(program);
        command.args(["agent", "--config"]).arg(&file);
        command.stdin(Stdio::null());
        let mut agent = Self {
            hypervisor: name.to_owned(),
            program: program.to_owned(),
            socket: directory.join("agent.sock"),
            process: Process::start(&format!("ilnp-relocate at {name}"), &mut command, &log)?,
            log,
        };
        agent.wait_until_it_answers()?;
        Ok(agent)
    }

    /// The name of its hypervisor, which is that of its site for other agents.
    pub(crate) fn hypervisor(&self) -> &str {
        &self.hypervisor
    }

    fn wait_until_it_answers(&mut self) -> Result<(), LabError> {
        let end = Instant::now() + START;
        while process::run(self.command().arg("list"), "").is_err() {
            if self.process.ended().is_some() || Instant::now() > end {
                return Err(LabError::Failed {
                    command: self.process.name().to_owned(),
                    status: "no answer".to_owned(),
                    output: last_lines(&self.log),
                });
            }
            sleep(POLL);
        }
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--socket").arg(&self.socket);
        command
    }

    /// Switches a machine on.
    pub(crate) fn boot(&self, machine: &str) -> Result<(), LabError> {
        process::run(self.command().args(["start", machine]), "").map(drop)
    }

    /// Moves a machine to another hypervisor, and returns when it was stopped, when it was known to run
    /// there, and which relocation that was. When it is to be prepared, the daemon in it is told
    /// before. What the agent says is left in `events`.
    pub(crate) fn relocate(
        &self,
        machine: &Machine,
        target: &str,
        prepared: bool,
        clock: Clock,
        events: &Path,
    ) -> Result<(MoveTimes, RelocationId), LabError> {
        let name = machine.name();
        let mode = if prepared { "--soft" } else { "--hard" };
        let mut command = self.command();
        command.args(["--json", "move", name, "--to", target]);
        let storage = if machine.disk().is_some() {
            "delta"
        } else {
            "none"
        };
        command.args(["--storage", storage, mode]);
        let file = fs::File::create(events).doing(|| format!("write {}", events.display()))?;
        command.stdin(Stdio::null()).stdout(file);
        let mut moving = Process::start_with_output("ilnp-relocate move", &mut command, &self.log)?;
        let failed = |status: String| LabError::Failed {
            command: format!("ilnp-relocate move {name} --to {target}"),
            status,
            output: last_lines(&self.log),
        };
        match moving.wait(MOVE) {
            Some(status) if status.success() => {}
            Some(status) => return Err(failed(process::status_text(status))),
            None => return Err(failed(format!("not done after {} s", MOVE.as_secs()))),
        }
        let text = fs::read_to_string(events).doing(|| format!("read {}", events.display()))?;
        made(&text, clock).ok_or_else(|| failed("it does not tell when".to_owned()))
    }

    /// What became of all relocations from here.
    pub(crate) fn reports(&self) -> Result<Vec<Report>, LabError> {
        let mut command = self.command();
        command.args(["--json", "report", "--last", &usize::MAX.to_string()]);
        let output = process::run(&mut command, "")?;
        let reports: Reports = serde_json::from_slice(&output.stdout)
            .doing(|| format!("read what the agent of {} reports", self.hypervisor))?;
        Ok(reports.reports)
    }
}

/// When a machine was stopped and when it ran again, in the events of a move.
fn made(events: &str, clock: Clock) -> Option<(MoveTimes, RelocationId)> {
    let lines = events.lines().map(serde_json::from_str::<Line>);
    let lines: Vec<Line> = lines.filter_map(Result::ok).collect();
    let at = |phase| {
        let mut all = lines.iter();
        let line = all.find(|line| line.event == Event::Phase { phase })?;
        Some(clock.at_wall(Duration::try_from_secs_f64(line.time_s).ok()?))
    };
    let times = MoveTimes {
        cut: at(Phase::Stop)?,
        attached: at(Phase::Resume)?,
    };
    Some((times, lines.first()?.relocation))
}

fn configuration(
    topology: &Topology,
    hypervisor: &Hypervisor,
    authority: &Path,
    directory: &Path,
    out: &Path,
) -> Result<String, LabError> {
    let (name, directory, authority) =
        (hypervisor.name(), directory.display(), authority.display());
    let site = topology.site(hypervisor.site())?;
    let prefixes = &site.settings().prefixes;
    let locators: Vec<String> = prefixes.iter().map(|p| format!("\"{p}\"")).collect();
    let mut text = format!(
        "site = \"{name}\"\n\
         listen = [\"[{address}]:{PORT}\"]\n\
         state-dir = \"{directory}/state\"\n\
         run-dir = \"{directory}/run\"\n\
         control-socket = \"{directory}/agent.sock\"\n\n\
         [tls]\n\
         ca = \"{authority}/ca.pem\"\n\
         certificate = \"{authority}/{name}.pem\"\n\
         key = \"{authority}/{name}.key\"\n\
         revoked = \"{authority}/revoked.pem\"\n\n\
         [network]\n\
         locators = [{locators}]\n\
         router = \"{router}\"\n\
         router-mac = \"{router_mac}\"\n",
        address = hypervisor.address(),
        locators = locators.join(", "),
        router = site.settings().router,
        router_mac = site.router_mac(),
    );
    let others = topology
        .hypervisors()
        .iter()
        .filter(|other| other.name() != name);
    for other in others {
        let _ = write!(
            text,
            "\n[[peer]]\nsite = \"{}\"\naddress = \"[{}]:{PORT}\"\n",
            other.name(),
            other.address()
        );
    }
    for machine in &topology.machines {
        text.push_str(&guest(machine, name, out));
    }
    Ok(text)
}

fn guest(machine: &Machine, hypervisor: &str, out: &Path) -> String {
    let vm = machine.settings().vm.unwrap_or_default();
    let accelerator = match vm.accelerator {
        Accelerator::Tcg => "tcg,thread=multi",
        Accelerator::Kvm => "kvm",
    };
    let arguments = machine.arguments(hypervisor, out);
    let disk = machine.disk().map(|disk| disk.configuration(hypervisor));
    let quoted: Vec<String> = arguments.iter().map(|word| format!("{word:?}")).collect();
    format!(
        "\n[[guest]]\n\
         name = \"{name}\"\n\
         machine = \"pc-q35-7.2\"\n\
         cpu = \"qemu64,-cx16\"\n\
         memory = \"{memory}MiB\"\n\
         accelerator = \"{accelerator}\"\n\
         port = {port}\n\
         arguments = [{arguments}]\n{disk}",
        name = machine.name(),
        memory = vm.memory >> 20,
        port = machine.speaks_ilnp(),
        arguments = quoted.join(", "),
        disk = disk.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_of_a_move_tell_when_it_was() {
        let wall = |seconds: f64| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.unwrap().as_secs_f64() + seconds
        };
        let clock = Clock::start();
        let event = |phase: &str, at: f64| {
            let relocation = format!("{:032x}", 7);
            format!(
                "{{\"schema\":1,\"time_s\":{at},\"relocation\":\"{relocation}\",\
                 \"event\":\"phase\",\"phase\":\"{phase}\"}}\n"
            )
        };
        let all = [
            event("memory", wall(1.0)),
            event("stop", wall(2.0)),
            event("resume", wall(2.5)),
        ];
        let (times, relocation) = made(&all.concat(), clock).unwrap();
        assert!(relocation.to_string().ends_with("07"));
        let stood = times.attached - times.cut;
        assert!((stood.as_secs_f64() - 0.5).abs() < 0.01, "{stood:?}");
        assert!(made(&all[..2].concat(), clock).is_none());
        assert!(made("noise\n", clock).is_none());
    }
}
