//! The agents of hypervisors, `ilnp-relocate`, which start virtual machines and move them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ilnp_relocate::api::Reports;
use ilnp_relocate::relocation::Status;
use ilnp_relocate::report::Report;
use nix::sys::signal::Signal;

use super::{Machine, Order};
use crate::error::{Doing, LabError};
use crate::process::{self, Process, last_lines};
use crate::scenario::Accelerator;
use crate::topology::{Hypervisor, Topology};

/// Where agents listen for each other.
const PORT: u16 = 7446;
const START: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A running agent.
#[derive(Debug)]
pub(crate) struct Agent {
    hypervisor: String,
    program: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    /// What starts it.
    agent: Command,
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
            process: start(name, &mut command, &log)?,
            agent: command,
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

    /// Asks for a machine's move to another hypervisor. What the agent says of it goes to `events`.
    pub(super) fn begin_move(
        &self,
        machine: &Machine,
        target: &str,
        order: &Order,
        events: &Path,
    ) -> Result<Process, LabError> {
        let mode = if order.prepared { "--soft" } else { "--hard" };
        let mut command = self.command();
        command.args(["--json", "move", machine.name(), "--to", target]);
        let storage = if machine.disk().is_some() {
            "delta"
        } else {
            "none"
        };
        command.args(["--storage", storage, mode]);
        if let Some(bandwidth) = order.bandwidth {
            // Octets a second when no unit is said.
            command.args(["--bandwidth", &(bandwidth / 8).to_string()]);
        }
        let file = fs::File::create(events).doing(|| format!("write {}", events.display()))?;
        command.stdin(Stdio::null()).stdout(file);
        Process::start_with_output("ilnp-relocate move", &mut command, &self.log)
    }

    /// Gives a move up, unless it is too late for that.
    pub(super) fn abort(&self, machine: &str) -> Result<(), LabError> {
        let mut command = self.command();
        process::output(command.args(["abort", machine]), "", START).map(drop)
    }

    /// Why a machine was not moved, in the words of the log.
    pub(super) fn failed(&self, machine: &str, target: &str, status: String) -> LabError {
        LabError::Failed {
            command: format!("ilnp-relocate move {machine} --to {target}"),
            status,
            output: last_lines(&self.log),
        }
    }

    /// Kills the agent. Its hypervisor goes on.
    pub(super) fn kill(&mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.wait(START);
    }

    /// Starts the agent once more, and waits until it answers.
    pub(super) fn start_again(&mut self) -> Result<(), LabError> {
        self.process = start(&self.hypervisor, &mut self.agent, &self.log)?;
        self.wait_until_it_answers()
    }

    /// What became of a machine's last relocation away from here.
    pub(super) fn last_departure(&self, machine: &str) -> Result<Option<Report>, LabError> {
        let reports = self.reports()?.into_iter();
        let own = reports
            .filter(|report| report.guest == machine && report.from.as_str() == self.hypervisor);
        Ok(own.max_by(|one, other| one.asked_s.total_cmp(&other.asked_s)))
    }

    /// Where a machine is as this agent sees it.
    pub(super) fn status(&self, machine: &str) -> Result<Status, LabError> {
        let output = process::run(self.command().args(["--json", "status", machine]), "")?;
        serde_json::from_slice(&output.stdout)
            .doing(|| format!("read what the agent of {} says", self.hypervisor))
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

fn start(hypervisor: &str, command: &mut Command, log: &Path) -> Result<Process, LabError> {
    Process::start(&format!("ilnp-relocate at {hypervisor}"), command, log)
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
        router_mac = site.router_mac()?,
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
