//! The daemon of a host: its configuration, its start and its end.

pub(crate) mod configuration;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;

use crate::error::{Doing, LabError};
use crate::name_server::Keys;
use crate::process::{self, Process};
use crate::programs::Programs;
use crate::topology::{Host, Party, Topology};

const READY: Duration = Duration::from_secs(12);
const POLL: Duration = Duration::from_millis(20);

/// A daemon on a host.
#[derive(Debug)]
pub struct Daemon {
    host: String,
    programs: Programs,
    configuration: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    process: Option<Process>,
}

impl Daemon {
    /// Writes the configuration of a host's daemon and mounts a BPF file system for its pins. The
    /// daemon knows every other host that speaks ILNP as a `[[correspondent]]`, unless it can look
    /// the host up.
    pub(crate) fn prepare(
        topology: &Topology,
        host: &Host,
        keys: Option<&Keys>,
        programs: &Programs,
        out: &Path,
    ) -> Result<Self, LabError> {
        let directory = topology.run_directory().join(host.name());
        let pins = directory.join("bpf");
        std::fs::create_dir_all(&pins).doing(|| format!("make {}", pins.display()))?;
        mount(
            Some("bpf"),
            &pins,
            Some("bpf"),
            MsFlags::empty(),
            None::<&str>,
        )
        .doing(|| format!("mount a BPF file system on {}", pins.display()))?;
        let configuration = out.join(format!("{}-hostd.toml", host.name()));
        let text = configuration::of(topology, Party::Host(host), keys, Some(&directory))?;
        std::fs::write(&configuration, text)
            .doing(|| format!("write {}", configuration.display()))?;
        Ok(Self {
            host: host.name().to_owned(),
            programs: programs.clone(),
            configuration,
            socket: directory.join("hostd.sock"),
            log: out.join(format!("{}-hostd.log", host.name())),
            process: None,
        })
    }

    /// The host that it runs on.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its configuration file.
    pub fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// Its process, while one was started.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// Starts it; [`wait_until_ready`](Self::wait_until_ready) goes with this.
    ///
    /// # Errors
    /// [`LabError::Io`] when it cannot be started.
    pub fn start(&mut self, host: &Host) -> Result<(), LabError> {
        let mut command = host.command(&self.programs.daemon);
        command.arg("--config").arg(&self.configuration);
        let name = format!("ilnp-hostd on {}", self.host);
        self.process = Some(Process::start(&name, &mut command, &self.log)?);
        Ok(())
    }

    /// Waits until it says that it is ready and has a Locator.
    ///
    /// # Errors
    /// [`LabError::TimedOut`] when that takes too long, [`LabError::Failed`] when it ends instead.
    pub fn wait_until_ready(&mut self, host: &Host) -> Result<(), LabError> {
        let end = Instant::now() + READY;
        while !self.is_ready(host) {
            if let Some(status) = self.process.as_mut().and_then(Process::ended) {
                return Err(LabError::Failed {
                    command: format!("ilnp-hostd on {}", self.host),
                    status: process::status_text(status),
                    output: process::last_lines(&self.log),
                });
            }
            if Instant::now() > end {
                return Err(LabError::TimedOut {
                    what: format!("readiness of ilnp-hostd on {}", self.host),
                    seconds: READY.as_secs(),
                    hint: format!(
                        "see {}:\n{}",
                        self.log.display(),
                        process::last_lines(&self.log)
                    ),
                });
            }
            sleep(POLL);
        }
        Ok(())
    }

    /// A command that will run `ilnp` on the host against this daemon.
    pub fn ilnp(&self, host: &Host) -> Command {
        let mut command = host.command(&self.programs.command);
        command.arg("--socket").arg(&self.socket);
        command
    }

    /// Asks it for its `status`, as JSON.
    ///
    /// # Errors
    /// [`LabError::Failed`] when `ilnp` fails or says what is no JSON.
    pub fn status(&self, host: &Host) -> Result<serde_json::Value, LabError> {
        self.ask(host, "status")
    }

    /// Writes what it knows into the folder of results: `HOST-counters.json` and
    /// `HOST-correspondents.json`.
    pub(crate) fn write_down(&self, host: &Host, out: &Path) -> Result<(), LabError> {
        for verb in ["counters", "correspondents"] {
            let file = out.join(format!("{}-{verb}.json", self.host));
            std::fs::write(&file, format!("{:#}\n", self.ask(host, verb)?))
                .doing(|| format!("write {}", file.display()))?;
        }
        Ok(())
    }

    fn ask(&self, host: &Host, verb: &str) -> Result<serde_json::Value, LabError> {
        let mut command = self.ilnp(host);
        let output = process::run(command.args(["--json", verb]), "")?;
        serde_json::from_slice(&output.stdout).map_err(|error| LabError::Failed {
            command: format!("ilnp --json {verb}"),
            status: error.to_string(),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
        })
    }

    /// Ends it with `SIGTERM`.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Ends it with `SIGKILL`, which leaves it no time to say goodbye.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::SIGKILL);
        }
    }

    fn is_ready(&self, host: &Host) -> bool {
        let Ok(status) = self.status(host) else {
            return false;
        };
        let locators = status["locators"].as_array();
        status["ready"] == true && locators.is_some_and(|list| !list.is_empty())
    }
}
