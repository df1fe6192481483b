//! The copy of memory: QEMU's migration, from its start until everything is in the stream.

use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::instance::Instance;
use super::mirror::Mirrors;
use super::pace::{INTERVAL, Limits, Pace, Sample, Step};
use crate::hypervisor::{Assistance, HypervisorError, Plan, Progress};
use crate::qmp::Events;

/// How long telling the guest may take. The agent has its own, shorter limits.
const TELL: Duration = Duration::from_secs(10);
/// How long the rest may take once the guest stands still, beyond ten times the permitted stop.
const REST: Duration = Duration::from_secs(10);

/// What QEMU tells about a migration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Migration {
    /// None before the first.
    pub(super) status: Option<String>,
    ram: Option<Ram>,
    #[serde(default)]
    cpu_throttle_percentage: u8,
    error_desc: Option<String>,
    /// In milliseconds.
    pub(super) downtime: Option<u64>,
    #[serde(default)]
    pub(super) blocked_reasons: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Ram {
    transferred: u64,
    remaining: u64,
    dirty_sync_count: u64,
    /// Megabits a second.
    mbps: f64,
}

impl Migration {
    pub(super) async fn query(qemu: &Instance) -> Result<Self, HypervisorError> {
        qemu.query("query-migrate", json!({})).await
    }

    /// Octets sent.
    pub(super) fn sent(&self) -> u64 {
        self.ram.as_ref().map_or(0, |ram| ram.transferred)
    }

    fn sample(&self) -> Option<Sample> {
        let ram = self.ram.as_ref()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from f64 saturates"
        )]
        let rate = (ram.mbps * 125_000.0) as u64;
        Some(Sample {
            sent: ram.transferred,
            remaining: ram.remaining,
            passes: ram.dirty_sync_count,
            throttle: self.cpu_throttle_percentage,
            rate,
        })
    }

    pub(super) fn failure(&self) -> HypervisorError {
        let status = self.status.as_deref().unwrap_or("none");
        HypervisorError::Failed {
            doing: "copy memory".to_owned(),
            reason: self
                .error_desc
                .clone()
                .unwrap_or_else(|| format!("the migration is {status}; the stream may be cut")),
        }
    }

    /// Whether QEMU is at it, in whatever stage.
    pub(super) fn is_going_on(&self) -> bool {
        let over = ["none", "completed", "failed", "cancelled"];
        self.status
            .as_deref()
            .is_some_and(|status| !over.contains(&status))
    }
}

/// Copies memory from a running guest into the socket until the guest stands still and QEMU waits
/// before it sends the rest.
pub(super) async fn copy_running(
    qemu: &Instance,
    socket: &Path,
    plan: &Plan,
    mirrors: &mut Mirrors<'_>,
    assistance: &dyn Assistance,
    progress: &mpsc::Sender<Progress>,
) -> Result<(), HypervisorError> {
    let mut events = qemu.events(&["MIGRATION"]);
    let mut pace = Pace::new(Instant::now(), plan.bandwidth, plan.max_downtime);
    let mut limits = pace.limits();
    set_capabilities(qemu, plan.compress).await?;
    set_limits(qemu, limits).await?;
    let uri = format!("unix:{}", socket.display());
    qemu.execute("copy memory", "migrate", json!({"uri": uri}))
        .await?;
    let mut told = pin!(timeout(TELL, assistance.about_to_stop()));
    let mut telling = false;
    loop {
        tokio::select! {
            status = next_status(qemu, &mut events) => match status?.as_str() {
                "pre-switchover" => return Ok(()),
                "failed" | "cancelled" | "completed" => return Err(Migration::query(qemu).await?.failure()),
                _ => {}
            },
            _ = &mut told, if telling => {
                telling = false;
                pace.told(Instant::now());
            }
            error = mirrors.failure() => return Err(error),
            () = sleep(INTERVAL) => {
                let migration = Migration::query(qemu).await?;
                if migration.status.as_deref() == Some("active") && let Some(sample) = migration.sample() {
                    telling |= pace.observe(Instant::now(), sample)? == Step::Tell;
                    let _ = progress.try_send(pace.progress());
                }
            }
        }
        if pace.limits() != limits {
            limits = pace.limits();
            set_limits(qemu, limits).await?;
        }
    }
}

/// Sends what is left of a guest that stands still.
pub(super) async fn copy_rest(qemu: &Instance, plan: &Plan) -> Result<Migration, HypervisorError> {
    let mut events = qemu.events(&["MIGRATION"]);
    let doing = "copy the rest of memory";
    qemu.execute(
        doing,
        "migrate-continue",
        json!({"state": "pre-switchover"}),
    )
    .await?;
    let limit = REST + plan.max_downtime * 10;
    let completed = async {
        loop {
            match next_status(qemu, &mut events).await?.as_str() {
                "completed" => return Migration::query(qemu).await,
                "failed" | "cancelled" => return Err(Migration::query(qemu).await?.failure()),
                _ => {}
            }
        }
    };
    timeout(limit, completed).await.unwrap_or_else(|_| {
        Err(HypervisorError::TimedOut {
            doing: doing.to_owned(),
            seconds: limit.as_secs(),
        })
    })
}

/// The status of the migration that QEMU tells next.
pub(super) async fn next_status(
    qemu: &Instance,
    events: &mut Events,
) -> Result<String, HypervisorError> {
    let event = qemu.explained("copy memory", events.next().await).await?;
    Ok(event.text("status").unwrap_or_default().to_owned())
}

async fn set_capabilities(qemu: &Instance, compress: bool) -> Result<(), HypervisorError> {
    let capability = |name: &str, state: bool| json!({"capability": name, "state": state});
    let capabilities: Vec<Value> = vec![
        capability("events", true),
        capability("pause-before-switchover", true),
        capability("auto-converge", true),
        // Pages that are sent again are sent as differences.
        capability("xbzrle", compress),
    ];
    qemu.execute(
        "set up the copy of memory",
        "migrate-set-capabilities",
        json!({"capabilities": capabilities}),
    )
    .await?;
    Ok(())
}

async fn set_limits(qemu: &Instance, limits: Limits) -> Result<(), HypervisorError> {
    let parameters = json!({
        "max-bandwidth": limits.bandwidth,
        "downtime-limit": u64::try_from(limits.downtime.as_millis()).unwrap_or(u64::MAX),
    });
    qemu.execute(
        "limit the copy of memory",
        "migrate-set-parameters",
        parameters,
    )
    .await?;
    Ok(())
}
