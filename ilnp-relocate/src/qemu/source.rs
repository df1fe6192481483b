//! The half at the site that a guest leaves.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::command_line::base_node;
use super::machine::Machine;
use super::memory::{self, Migration};
use super::mirror::{self, Mirrors};
use super::{Qemu, digest, instance};
use crate::hypervisor::{
    Assistance, Bases, Copied, Description, Disk, HypervisorError, Plan, Progress, Source, Stream,
};

/// How long QEMU may take to give a copy up.
const GIVE_UP: Duration = Duration::from_secs(20);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// A block node, as QEMU lists it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Node {
    #[serde(default)]
    node_name: String,
    image: Image,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    virtual_size: u64,
    actual_size: Option<u64>,
    filename: PathBuf,
}

#[async_trait]
impl Source for Qemu {
    async fn describe(&mut self) -> Result<Description, HypervisorError> {
        let Machine {
            version,
            machine,
            cpu,
            accelerator,
            processors,
            memory,
            devices,
        } = Machine::read(&self.instance).await?;
        Ok(Description {
            name: self.settings.name.clone(),
            hypervisor: "qemu".to_owned(),
            version: version.to_string(),
            machine,
            cpu,
            accelerator,
            processors,
            memory,
            devices,
            disks: self.disks().await?,
        })
    }

    async fn bases(&mut self) -> Result<Bases, HypervisorError> {
        let nodes = self.nodes().await?;
        let disks = self.settings.disks.iter();
        let base = |id: &str| find(&nodes, &base_node(id)).map(|image| image.filename.clone());
        Ok(disks
            .filter_map(|disk| Some((disk.id.clone(), base(&disk.id)?)))
            .collect())
    }

    async fn copy(
        &mut self,
        plan: &Plan,
        assistance: &dyn Assistance,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Copied, HypervisorError> {
        match self.copy_all(plan, assistance, progress).await {
            Ok(copied) => Ok(copied),
            // A QEMU that ends fails in many ways before it is gone.
            Err(error) => Err(self.instance.run_state().await.err().unwrap_or(error)),
        }
    }

    async fn resume(&mut self) -> Result<(), HypervisorError> {
        self.cut_connections().await?;
        self.cancel_migration().await?;
        self.cancel_mirrors().await?;
        let state = self.instance.run_state().await?;
        if state != "running" {
            // Takes the locks of the images again, and fails if somebody else holds them.
            self.instance
                .execute("let the guest go on here", "cont", json!({}))
                .await?;
        }
        match self.instance.run_state().await?.as_str() {
            "running" => Ok(()),
            state => Err(HypervisorError::Failed {
                doing: "let the guest go on here".to_owned(),
                reason: format!("it is in the state {state}"),
            }),
        }
    }

    async fn downtime(&mut self) -> Option<Duration> {
        let migration = Migration::query(&self.instance).await.ok()?;
        // QEMU says "completed" before it has reckoned, and 0 until then.
        let reckoned = migration.downtime.filter(|downtime| *downtime > 0);
        reckoned.map(Duration::from_millis)
    }

    async fn release(&mut self) -> Result<(), HypervisorError> {
        match self.instance.run_state().await.as_deref() {
            Ok("running") => Err(HypervisorError::Refused(format!(
                "guest {} runs here and cannot be released",
                self.settings.name
            ))),
            Ok(_) => self.instance.quit().await,
            // It may have ended by itself, and then there is nothing left to do.
            Err(_) => instance::end(&self.settings.name, self.instance.process()).await,
        }
    }
}

impl Qemu {
    async fn copy_all(
        &self,
        plan: &Plan,
        assistance: &dyn Assistance,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Copied, HypervisorError> {
        self.check_can_be_copied(plan).await?;
        let qemu = &self.instance;
        let mut mirrors = Mirrors::start(qemu, &self.settings, plan.storage, assistance).await?;
        mirrors.ready(progress).await?;
        let socket = assistance.socket(&Stream::Memory);
        memory::copy_running(qemu, &socket, plan, &mut mirrors, assistance, progress).await?;
        assistance.stopped().await;
        let _ = progress.try_send(Progress::Stopped);
        // Before the device state goes: a target that has it may run, and would write its disks.
        let disks = mirrors.complete().await?;
        let migration = memory::copy_rest(qemu, plan).await?;
        Ok(Copied {
            memory: migration.sent(),
            disks,
        })
    }

    async fn check_can_be_copied(&self, plan: &Plan) -> Result<(), HypervisorError> {
        let refused = |why: String| {
            Err(HypervisorError::Refused(format!(
                "guest {} {why}",
                self.settings.name
            )))
        };
        if plan.post_copy {
            return refused(
                "cannot be moved by post-copy: it would be lost if the connection were cut"
                    .to_owned(),
            );
        }
        let state = self.instance.run_state().await?;
        if state != "running" {
            return refused(format!("does not run, it is {state}"));
        }
        let migration = Migration::query(&self.instance).await?;
        if migration.is_going_on() {
            return refused("is being copied already".to_owned());
        }
        if !migration.blocked_reasons.is_empty() {
            return refused(format!(
                "cannot be moved: {}",
                migration.blocked_reasons.join("; ")
            ));
        }
        if !mirror::jobs(&self.instance).await?.is_empty() {
            return refused("has disks that are being copied already".to_owned());
        }
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<Node>, HypervisorError> {
        self.instance
            .query("query-named-block-nodes", json!({"flat": true}))
            .await
    }

    async fn disks(&self) -> Result<Vec<Disk>, HypervisorError> {
        let nodes = self.nodes().await?;
        let mut disks = Vec::new();
        for disk in &self.settings.disks {
            let Some(overlay) = find(&nodes, &disk.id) else {
                return Err(HypervisorError::Refused(format!(
                    "guest {} was started without disk {}, which the configuration has now",
                    self.settings.name, disk.id
                )));
            };
            let delta = overlay.actual_size.unwrap_or(overlay.virtual_size);
            let mut whole = delta;
            let mut base = None;
            if let Some(image) = find(&nodes, &base_node(&disk.id)) {
                base = Some(digest::base(&image.filename, &self.settings).await?.0);
                whole = whole.saturating_add(image.actual_size.unwrap_or(image.virtual_size));
            }
            disks.push(Disk {
                id: disk.id.clone(),
                size: overlay.virtual_size,
                delta,
                whole,
                base,
            });
        }
        Ok(disks)
    }

    /// Shuts the connections of a copy down. One that has fallen silent would otherwise keep QEMU
    /// from giving the copy up.
    async fn cut_connections(&self) -> Result<(), HypervisorError> {
        let instances: Vec<Value> = self.instance.query("query-yank", json!({})).await?;
        let ours = instances.into_iter().filter(|instance| {
            instance["type"] == "migration"
                || instance["node-name"]
                    .as_str()
                    .is_some_and(|node| node.starts_with(mirror::PREFIX))
        });
        for connection in ours {
            let arguments = json!({"instances": [connection]});
            self.instance
                .attempt("cut the connections of the copy", "yank", arguments)
                .await?;
        }
        Ok(())
    }

    async fn cancel_migration(&self) -> Result<(), HypervisorError> {
        if Migration::query(&self.instance).await?.is_going_on() {
            self.instance
                .execute("give the copy of memory up", "migrate_cancel", json!({}))
                .await?;
        }
        let deadline = Instant::now() + GIVE_UP;
        while Migration::query(&self.instance).await?.is_going_on() {
            wait(deadline, "give the copy of memory up").await?;
        }
        Ok(())
    }

    /// Gives the copies of the disks up. A guest that runs stands still for it, for some
    /// milliseconds: see [`mirror`].
    async fn cancel_mirrors(&self) -> Result<(), HypervisorError> {
        let deadline = Instant::now() + GIVE_UP;
        let jobs = mirror::jobs(&self.instance).await?;
        if !jobs.is_empty() {
            // Returns when no write is on its way any more.
            self.instance
                .execute("let the guest stand still", "stop", json!({}))
                .await?;
        }
        for job in jobs {
            let arguments = json!({"device": job.device, "force": true});
            self.instance
                .attempt("give the copy of a disk up", "block-job-cancel", arguments)
                .await?;
        }
        while !mirror::jobs(&self.instance).await?.is_empty() {
            wait(deadline, "give the copies of the disks up").await?;
        }
        for node in self
            .nodes()
            .await?
            .iter()
            .filter(|node| node.node_name.starts_with(mirror::PREFIX))
        {
            let arguments = json!({"node-name": node.node_name});
            self.instance
                .execute("close a disk of the target", "blockdev-del", arguments)
                .await?;
        }
        Ok(())
    }
}

/// The image of the block node with this name.
fn find<'a>(nodes: &'a [Node], name: &str) -> Option<&'a Image> {
    let node = nodes.iter().find(|node| node.node_name == name)?;
    Some(&node.image)
}

async fn wait(deadline: Instant, doing: &str) -> Result<(), HypervisorError> {
    if Instant::now() >= deadline {
        return Err(HypervisorError::TimedOut {
            doing: doing.to_owned(),
            seconds: GIVE_UP.as_secs(),
        });
    }
    sleep(LOOK).await;
    Ok(())
}
