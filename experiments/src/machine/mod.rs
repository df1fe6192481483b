//! Hosts that are virtual machines.

mod agent;
mod boot;
mod disk;
mod furnish;
mod relocation;

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ilnp_relocate::channel::RelocationId;
use serde_json::Value;

use crate::clock::Clock;
use crate::error::{Doing, LabError};
use crate::guest::console::{Answer, Console};
use crate::lab::MoveTimes;
use crate::scenario::{self, Protocol};
use crate::topology::Hypervisor;

pub(crate) use agent::{Agent, certify};
pub(crate) use boot::Boot;
pub(crate) use disk::Disk;
pub(crate) use furnish::{Daemon, furnish};
pub(crate) use relocation::Order;

/// From power-on to the daemon's first Locator, on a machine that does other things as well.
const READY: Duration = Duration::from_secs(60);
const COMMAND: Duration = Duration::from_secs(40);
const CONNECT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);

/// A host that is a virtual machine.
#[derive(Debug)]
pub struct Machine {
    settings: scenario::Host,
    protocol: Protocol,
    /// For its sockets and its image.
    directory: PathBuf,
    /// The site that it is at.
    site: String,
    /// The hypervisor that it is on.
    hypervisor: String,
    /// What it boots, once that was made.
    boot: Option<Boot>,
    /// Its disk, once that was made.
    disk: Option<Disk>,
    /// How often it was moved.
    moves: u32,
}

impl Machine {
    /// A machine that is to start at the first hypervisor of its site.
    pub(crate) fn new(
        settings: &scenario::Host,
        protocol: Protocol,
        directory: PathBuf,
    ) -> Result<Self, LabError> {
        std::fs::create_dir_all(&directory).doing(|| format!("make {}", directory.display()))?;
        Ok(Self {
            settings: settings.clone(),
            protocol,
            directory,
            site: settings.site.clone(),
            hypervisor: settings.site.clone(),
            boot: None,
            disk: None,
            moves: 0,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What the scenario says about it.
    pub fn settings(&self) -> &scenario::Host {
        &self.settings
    }

    /// Whether a daemon runs on it in this run.
    pub fn speaks_ilnp(&self) -> bool {
        self.protocol == Protocol::Ilnp && self.settings.ilnp
    }

    /// The site that it is at.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// The hypervisor that it is on.
    pub fn hypervisor(&self) -> &str {
        &self.hypervisor
    }

    /// Says what it is to boot.
    pub(crate) fn set_boot(&mut self, boot: Boot) {
        self.boot = Some(boot);
    }

    /// Gives it the disk that it is to have.
    pub(crate) fn set_disk(&mut self, disk: Disk) {
        self.disk = Some(disk);
    }

    fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// Moves it to another hypervisor, by the agents of the one that it is on and of the other. Only a
    /// daemon can be told before.
    pub(crate) fn relocate(
        &mut self,
        agents: [&mut Agent; 2],
        target: &Hypervisor,
        order: Order,
        clock: Clock,
        out: &Path,
    ) -> Result<(MoveTimes, RelocationId), LabError> {
        self.moves += 1;
        let events = out.join(format!("{}-move-{}.jsonl", self.name(), self.moves));
        let order = Order {
            prepared: order.prepared && self.speaks_ilnp(),
            ..order
        };
        let made = relocation::relocate(self, agents, &order, clock, &events)?;
        target.name().clone_into(&mut self.hypervisor);
        target.site().clone_into(&mut self.site);
        Ok(made)
    }

    /// The folder for its sockets and its image.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs a command in the guest, one line for a shell, and returns what came of it.
    ///
    /// # Errors
    /// [`LabError::TimedOut`] when the guest does not answer.
    pub fn run(&self, command: &str) -> Result<Answer, LabError> {
        self.run_within(command, COMMAND)
    }

    fn run_within(&self, command: &str, limit: Duration) -> Result<Answer, LabError> {
        Console::connect(&self.console_at(&self.hypervisor), CONNECT)?.run(command, limit)
    }

    /// What its daemon says to a verb of `ilnp`.
    ///
    /// # Errors
    /// [`LabError::Failed`] when `ilnp` fails in the guest, as it does before the daemon is up.
    pub fn ask(&self, verb: &str) -> Result<Value, LabError> {
        let command = format!("ilnp --json {verb}");
        let answer = self.run(&command)?;
        serde_json::from_slice(&answer.output).map_err(|_| LabError::Failed {
            command,
            status: format!("exit status {}", answer.status),
            output: String::from_utf8_lossy(&answer.output).into_owned(),
        })
    }

    /// Waits until the guest is up and can be reached: its daemon is ready, or it has its address.
    ///
    /// # Errors
    /// [`LabError::TimedOut`] when that takes too long.
    pub(crate) fn wait_until_ready(&self, out: &Path) -> Result<(), LabError> {
        let end = Instant::now() + READY;
        self.run_within("true", READY)?;
        while !self.is_ready()? {
            if Instant::now() > end {
                return Err(LabError::TimedOut {
                    what: format!("readiness of {}", self.name()),
                    seconds: READY.as_secs(),
                    hint: format!("see {}", self.log_at(out, &self.hypervisor).display()),
                });
            }
            sleep(POLL);
        }
        Ok(())
    }

    fn is_ready(&self) -> Result<bool, LabError> {
        if !self.speaks_ilnp() {
            let shown = self.run("/usr/sbin/ip -6 -o address show dev eth0 scope global")?;
            let text = String::from_utf8_lossy(&shown.output);
            return Ok(text.lines().any(crate::lab::is_usable));
        }
        Ok(self.ask("status").is_ok_and(|status| {
            let locators = status["locators"].as_array();
            status["ready"] == true && locators.is_some_and(|list| !list.is_empty())
        }))
    }

    /// The socket of the lab's line into the guest, at a hypervisor.
    pub(crate) fn console_at(&self, hypervisor: &str) -> PathBuf {
        self.directory.join(format!("lab-{hypervisor}.sock"))
    }

    /// The log of what the guest says on its serial line, at a hypervisor.
    pub(crate) fn log_at(&self, out: &Path, hypervisor: &str) -> PathBuf {
        out.join(format!("{}-{hypervisor}-console.log", self.name()))
    }
}
