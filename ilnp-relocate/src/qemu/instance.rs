//! A QEMU that is spoken with.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::process::Process;
use super::settings::Settings;
use crate::hypervisor::HypervisorError;
use crate::qmp::{Client, Events, QmpError};

/// How long QEMU may take to serve its monitor. Machines under load have taken two seconds.
pub(super) const START: Duration = Duration::from_secs(30);
/// How often a QEMU that starts is tried.
pub(super) const TRY: Duration = Duration::from_millis(10);
/// How long QEMU may take to end when it is asked to.
const QUIT: Duration = Duration::from_secs(10);
/// How long a process may stay behind its closed monitor, so that its end can be told.
const END: Duration = Duration::from_secs(2);

/// A QEMU and the session with it.
pub(super) struct Instance {
    guest: String,
    client: Client,
    process: Process,
}

impl Instance {
    /// Starts QEMU with these arguments and waits until it serves its monitor. It ends with this,
    /// unless it is [kept](Self::keep).
    pub(super) async fn start(
        settings: &Settings,
        arguments: &[String],
    ) -> Result<Self, HypervisorError> {
        let process = Process::spawn(settings, arguments)?;
        let deadline = Instant::now() + START;
        loop {
            match Client::connect(&settings.monitor_socket()).await {
                Ok(client) => {
                    return Ok(Self {
                        guest: settings.name.clone(),
                        client,
                        process,
                    });
                }
                Err(error) if Instant::now() >= deadline => {
                    process.kill();
                    return Err(HypervisorError::Gone {
                        guest: settings.name.clone(),
                        reason: error.to_string(),
                    });
                }
                Err(_) if process.is_alive() => sleep(TRY).await,
                Err(_) => {
                    return Err(HypervisorError::Failed {
                        doing: format!("start QEMU for {}", settings.name),
                        reason: process.last_words(),
                    });
                }
            }
        }
    }

    /// Connects to the QEMU that runs this guest here.
    pub(super) async fn attach(settings: &Settings) -> Result<Self, HypervisorError> {
        let guest = settings.name.clone();
        let Some(process) = Process::find(settings) else {
            let reason = format!("no QEMU runs that holds {}", settings.pid_file().display());
            return Err(HypervisorError::Gone { guest, reason });
        };
        match Client::connect(&settings.monitor_socket()).await {
            Ok(client) => Ok(Self {
                guest,
                client,
                process,
            }),
            Err(error) => Err(HypervisorError::Gone {
                guest,
                reason: error.to_string(),
            }),
        }
    }

    /// Has a command carried out. `doing` says what for.
    pub(super) async fn execute(
        &self,
        doing: &str,
        command: &'static str,
        arguments: Value,
    ) -> Result<Value, HypervisorError> {
        let answer = self.client.execute(command, arguments).await;
        self.explained(doing, answer).await
    }

    /// Has a command carried out on something that may end by itself meanwhile: QEMU then refuses,
    /// and that is as good.
    pub(super) async fn attempt(
        &self,
        doing: &str,
        command: &'static str,
        arguments: Value,
    ) -> Result<(), HypervisorError> {
        match self.client.execute(command, arguments).await {
            Err(QmpError::Refused { description, .. }) => {
                tracing::debug!(
                    guest = self.guest,
                    command,
                    description,
                    "nothing left to do"
                );
                Ok(())
            }
            answer => self.explained(doing, answer).await.map(drop),
        }
    }

    /// Asks for something of a known form.
    pub(super) async fn query<T: DeserializeOwned>(
        &self,
        command: &'static str,
        arguments: Value,
    ) -> Result<T, HypervisorError> {
        let answer = self.client.query(command, arguments).await;
        self.explained(&format!("ask QEMU for {command}"), answer)
            .await
    }

    /// The events of these names from now on.
    pub(super) fn events(&self, names: &'static [&'static str]) -> Events {
        self.client.events(names)
    }

    /// Makes of QEMU's error what an operator can use.
    pub(super) async fn explained<T>(
        &self,
        doing: &str,
        answer: Result<T, QmpError>,
    ) -> Result<T, HypervisorError> {
        match answer {
            Ok(value) => Ok(value),
            Err(QmpError::TimedOut { seconds, .. }) => Err(HypervisorError::TimedOut {
                doing: doing.to_owned(),
                seconds,
            }),
            Err(QmpError::Closed { .. }) => Err(self.gone().await),
            Err(error) => Err(HypervisorError::Failed {
                doing: doing.to_owned(),
                reason: error.to_string(),
            }),
        }
    }

    /// Tells that QEMU has ended, and how.
    pub(super) async fn gone(&self) -> HypervisorError {
        self.process.ends_within(END).await;
        HypervisorError::Gone {
            guest: self.guest.clone(),
            reason: self.process.last_words(),
        }
    }

    /// The state that the machine is in, as `running`.
    pub(super) async fn run_state(&self) -> Result<String, HypervisorError> {
        let status: Value = self.query("query-status", json!({})).await?;
        Ok(status["status"].as_str().unwrap_or("unknown").to_owned())
    }

    /// Lets QEMU outlive this.
    pub(super) fn keep(&mut self) {
        self.process.keep();
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    /// Ends QEMU, and its process if it does not end by itself.
    pub(super) async fn quit(&self) -> Result<(), HypervisorError> {
        let _ = self.client.execute("quit", json!({})).await;
        end(&self.guest, &self.process).await
    }
}

/// Waits for a process to end; ends it if it does not.
pub(super) async fn end(guest: &str, process: &Process) -> Result<(), HypervisorError> {
    if process.ends_within(QUIT).await {
        return Ok(());
    }
    tracing::warn!(guest, pid = %process.pid(), "QEMU does not quit and is killed");
    process.kill();
    if process.ends_within(QUIT).await {
        return Ok(());
    }
    Err(HypervisorError::TimedOut {
        doing: format!("end process {}", process.pid()),
        seconds: QUIT.as_secs(),
    })
}
