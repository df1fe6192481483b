//! The copy of the disks: each is mirrored to the target's until both are the same, and from then
//! on every write of the guest goes to both.
//!
//! A mirror that cannot go on must not end by itself, nor be cancelled while the guest runs. QEMU
//! (seen with 7.2) then frees what a write of the guest that is on its way to the
//! target still uses, and dies of it, and the guest with it. So a mirror pauses when it fails, and
//! is cancelled once the guest stands still and has no write on its way.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::instance::Instance;
use super::proxy::Proxy;
use super::settings::{DiskSettings, Settings};
use crate::hypervisor::{Assistance, HypervisorError, Progress, Storage, Stream};
use crate::qmp::{Event, Events};

/// What the names of our jobs and nodes begin with, so that another agent process finds them.
pub(super) const PREFIX: &str = "relocate-";
/// How often it is told how far the copy is.
const REPORT: Duration = Duration::from_millis(200);
/// How long nothing may be copied.
const STALL: Duration = Duration::from_secs(30);
/// How long a job may take to end that has nothing left to do.
const END: Duration = Duration::from_secs(10);

const EVENTS: &[&str] = &[
    "BLOCK_JOB_READY",
    "BLOCK_JOB_COMPLETED",
    "BLOCK_JOB_CANCELLED",
    "BLOCK_JOB_ERROR",
];

/// Mirrors of the disks of one guest.
pub(super) struct Mirrors<'a> {
    qemu: &'a Instance,
    events: Events,
    /// The identifiers of the disks.
    disks: Vec<String>,
    /// The target's disks, for as long as they are written from here.
    proxies: Vec<Proxy>,
}

/// A job, as QEMU lists it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Job {
    pub(super) device: String,
    len: u64,
    offset: u64,
    ready: bool,
    /// `ok`, or why the job has paused: `nospace`, `failed`.
    io_status: String,
}

impl<'a> Mirrors<'a> {
    /// Begins to copy the disks of a guest.
    pub(super) async fn start(
        qemu: &'a Instance,
        settings: &Settings,
        storage: Storage,
        assistance: &dyn Assistance,
    ) -> Result<Self, HypervisorError> {
        let mut mirrors = Self {
            qemu,
            events: qemu.events(EVENTS),
            disks: Vec::new(),
            proxies: Vec::new(),
        };
        let sync = match storage {
            Storage::None => return Ok(mirrors),
            Storage::Delta => "top",
            Storage::Full => "full",
        };
        for DiskSettings { id, .. } in &settings.disks {
            let target = assistance.socket(&Stream::Disk(id.clone()));
            let mut proxy = Proxy::open(id, &target, settings.mirror_socket(id)).await?;
            let node = json!({
                "driver": "nbd", "node-name": name(id), "server": {"type": "unix", "path": proxy.socket()},
            });
            qemu.execute(
                &format!("open disk {id} of the target"),
                "blockdev-add",
                node,
            )
            .await?;
            proxy.is_taken();
            mirrors.proxies.push(proxy);
            let job = json!({
                "job-id": name(id), "device": id, "target": name(id), "sync": sync,
                "copy-mode": "write-blocking", "on-source-error": "stop", "on-target-error": "stop",
            });
            qemu.execute(&format!("copy disk {id}"), "blockdev-mirror", job)
                .await?;
            mirrors.disks.push(id.clone());
        }
        Ok(mirrors)
    }

    /// Waits until the target's disks are the same.
    pub(super) async fn ready(
        &mut self,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<(), HypervisorError> {
        let mut last = (0, Instant::now());
        while !self.disks.is_empty() {
            let jobs = match self.jobs().await {
                Ok(jobs) => jobs,
                // Why a job has ended, its last event tells.
                Err(error) => return Err(timeout(REPORT, self.failure()).await.unwrap_or(error)),
            };
            let (done, total) = sum(&jobs);
            let _ = progress.try_send(Progress::Disks { done, total });
            if jobs.iter().all(|job| job.ready) {
                break;
            }
            if done != last.0 {
                last = (done, Instant::now());
            } else if last.1.elapsed() >= STALL {
                return Err(HypervisorError::TimedOut {
                    doing: "copy disks".to_owned(),
                    seconds: STALL.as_secs(),
                });
            }
            if let Ok(event) = timeout(REPORT, self.events.next()).await {
                let event = self.qemu.explained("copy disks", event).await?;
                self.still_copies(&event).await?;
            }
        }
        Ok(())
    }

    /// Ends with an error as soon as a disk is no longer the same.
    pub(super) async fn failure(&mut self) -> HypervisorError {
        loop {
            let event = self.events.next().await;
            match self.qemu.explained("copy disks", event).await {
                Ok(event) => {
                    if let Err(error) = self.still_copies(&event).await {
                        return error;
                    }
                }
                Err(error) => return error,
            }
        }
    }

    /// Ends the copies, of a guest that stands still: the target's disks are complete, and nothing
    /// here can write them any more. Returns the octets copied.
    pub(super) async fn complete(mut self) -> Result<u64, HypervisorError> {
        let jobs = self.jobs().await?;
        if let Some(job) = jobs.iter().find(|job| !job.ready) {
            return Err(failed(&job.device, "it is not complete"));
        }
        for disk in &self.disks {
            // A job that is ready ends in success by this, without switching to its target.
            let doing = format!("end the copy of disk {disk}");
            self.qemu
                .execute(&doing, "block-job-cancel", json!({"device": name(disk)}))
                .await?;
        }
        for _ in 0..self.disks.len() {
            self.completed().await?;
        }
        for disk in &self.disks {
            let doing = format!("close disk {disk} of the target");
            self.qemu
                .execute(&doing, "blockdev-del", json!({"node-name": name(disk)}))
                .await?;
        }
        self.proxies.clear();
        Ok(sum(&jobs).0)
    }

    async fn completed(&mut self) -> Result<(), HypervisorError> {
        loop {
            let event =
                timeout(END, self.events.next())
                    .await
                    .map_err(|_| HypervisorError::TimedOut {
                        doing: "end the copies of the disks".to_owned(),
                        seconds: END.as_secs(),
                    })?;
            let event = self
                .qemu
                .explained("end the copies of the disks", event)
                .await?;
            let Some(device) = event
                .text("device")
                .filter(|device| device.starts_with(PREFIX))
            else {
                continue;
            };
            match event.name.as_str() {
                "BLOCK_JOB_COMPLETED" => match event.text("error") {
                    None => return Ok(()),
                    Some(error) => return Err(failed(device, error)),
                },
                "BLOCK_JOB_CANCELLED" => return Err(failed(device, "it was cancelled")),
                "BLOCK_JOB_ERROR" => return Err(self.why(device, &event).await),
                _ => {}
            }
        }
    }

    /// Takes an event of a copy that is to go on.
    async fn still_copies(&self, event: &Event) -> Result<(), HypervisorError> {
        let Some(device) = event
            .text("device")
            .filter(|device| device.starts_with(PREFIX))
        else {
            return Ok(());
        };
        match event.name.as_str() {
            "BLOCK_JOB_READY" => Ok(()),
            "BLOCK_JOB_ERROR" => Err(self.why(device, event).await),
            _ => Err(failed(
                device,
                event.text("error").unwrap_or("it has ended too early"),
            )),
        }
    }

    /// Why a job has paused.
    async fn why(&self, device: &str, event: &Event) -> HypervisorError {
        let jobs = jobs(self.qemu).await.unwrap_or_default();
        let job = jobs.iter().find(|job| job.device == device);
        match (event.text("operation"), job.map(|job| &*job.io_status)) {
            (Some("read"), _) => failed(device, "it cannot be read here"),
            (_, Some(status)) if status != "ok" => failed(device, reason(status)),
            _ => failed(device, reason("failed")),
        }
    }

    async fn jobs(&self) -> Result<Vec<Job>, HypervisorError> {
        let jobs = jobs(self.qemu).await?;
        if let Some(job) = jobs.iter().find(|job| job.io_status != "ok") {
            return Err(failed(&job.device, reason(&job.io_status)));
        }
        match self
            .disks
            .iter()
            .find(|disk| !jobs.iter().any(|job| job.device == name(disk)))
        {
            None => Ok(jobs),
            Some(disk) => Err(failed(&name(disk), "the job has ended")),
        }
    }
}

/// What the status of a job's input and output means.
fn reason(status: &str) -> &'static str {
    match status {
        "nospace" => "No space left on device at the target",
        _ => "the target's disk cannot be written; the connection to it may be cut",
    }
}

/// Our jobs in this QEMU.
pub(super) async fn jobs(qemu: &Instance) -> Result<Vec<Job>, HypervisorError> {
    let mut jobs: Vec<Job> = qemu.query("query-block-jobs", json!({})).await?;
    jobs.retain(|job| job.device.starts_with(PREFIX));
    Ok(jobs)
}

fn name(disk: &str) -> String {
    format!("{PREFIX}{disk}")
}

fn sum(jobs: &[Job]) -> (u64, u64) {
    jobs.iter().fold((0, 0), |(done, total), job| {
        (done + job.offset, total + job.len)
    })
}

fn failed(device: &str, reason: &str) -> HypervisorError {
    let disk = device.strip_prefix(PREFIX).unwrap_or(device);
    HypervisorError::Failed {
        doing: format!("copy disk {disk}"),
        reason: reason.to_owned(),
    }
}
