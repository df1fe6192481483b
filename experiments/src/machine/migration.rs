//! A machine goes to another hypervisor by QEMU's own live migration, without anybody who prepares
//! it.

use std::path::Path;
use std::time::Duration;

use ilnp_relocate::qmp::{Client, Events, QmpError};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::Machine;
use crate::clock::Clock;
use crate::error::{Doing, LabError};
use crate::lab::MoveTimes;
use crate::topology::Hypervisor;

/// Where the hypervisor at the target listens for the state of a machine.
const PORT: u16 = 4444;
/// How long the copy may take, over a slow link as well.
const COPY: Duration = Duration::from_secs(120);
const START: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

impl Machine {
    /// Migrates the machine to a hypervisor. Returns when it was stopped and when it ran again.
    ///
    /// # Errors
    /// [`LabError::Failed`] with what QEMU says, [`LabError::TimedOut`] when the copy does not end.
    /// The machine runs where it was.
    pub(crate) fn migrate(
        &mut self,
        source: &Hypervisor,
        target: &Hypervisor,
        clock: Clock,
        out: &Path,
    ) -> Result<MoveTimes, LabError> {
        let Some(boot) = &self.boot else {
            let name = self.name();
            return Err(LabError::Misuse(format!("{name} was not started")));
        };
        let process = self.qemu(target, boot, out, &["-incoming", "defer"])?;
        let monitors = [source, target].map(|at| self.monitor_at(at.name()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .doing(|| "start a runtime".to_owned())?;
        let address = format!("tcp:[{}]:{PORT}", target.address());
        let [from, to] = &monitors;
        let copy = async { timeout(COPY, copy(from, to, &address, clock)).await };
        let times = match runtime.block_on(copy) {
            Ok(times) => times.map_err(|error| LabError::Failed {
                command: format!("migration of {}", self.name()),
                status: "failed".to_owned(),
                output: error.to_string(),
            })?,
            Err(_) => {
                return Err(LabError::TimedOut {
                    what: format!("the migration of {}", self.name()),
                    seconds: COPY.as_secs(),
                    hint: format!("see the logs of QEMU in {}", out.display()),
                });
            }
        };
        // The one at the source has nothing left to do.
        self.process = Some(process);
        self.hypervisor = target.name().to_owned();
        self.site = target.site().to_owned();
        Ok(times)
    }
}

async fn copy(
    source: &Path,
    target: &Path,
    address: &str,
    clock: Clock,
) -> Result<MoveTimes, QmpError> {
    let source = Client::connect(source).await?;
    let target = connect(target).await?;
    let (mut stopped, mut resumed) = (source.events(&["STOP"]), target.events(&["RESUME"]));
    let uri = json!({ "uri": address });
    target.execute("migrate-incoming", uri.clone()).await?;
    source.execute("migrate", uri).await?;
    let (cut, attached) = tokio::try_join!(next(&mut stopped, clock), async {
        tokio::select! {
            resumed = next(&mut resumed, clock) => resumed,
            failed = until_failed(&source) => Err(failed),
        }
    })?;
    Ok(MoveTimes { cut, attached })
}

/// When the next event comes.
async fn next(events: &mut Events, clock: Clock) -> Result<Duration, QmpError> {
    events.next().await.map(|_| clock.now())
}

/// Connects with a monitor as soon as it is there.
async fn connect(monitor: &Path) -> Result<Client, QmpError> {
    let attempts = async {
        loop {
            match Client::connect(monitor).await {
                Err(QmpError::Connect { .. }) => sleep(POLL).await,
                connected => return connected,
            }
        }
    };
    match timeout(START, attempts).await {
        Ok(connected) => connected,
        Err(_) => Client::connect(monitor).await,
    }
}

/// Waits until QEMU says that the migration has failed.
async fn until_failed(source: &Client) -> QmpError {
    loop {
        sleep(POLL).await;
        match source.execute("query-migrate", json!({})).await {
            Ok(state) if state["status"] == "failed" => {
                let reason = state["error-desc"].as_str().unwrap_or("no reason is given");
                return QmpError::Closed {
                    reason: reason.to_owned(),
                };
            }
            Ok(Value::Null) | Ok(_) => {}
            Err(error) => return error,
        }
    }
}
