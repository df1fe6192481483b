//! The half at the site that a guest comes to.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::json;
use tokio::time::Instant;

use super::check;
use super::command_line::{Backend, Beginning, arguments};
use super::image;
use super::instance::{Instance, START, TRY};
use super::memory::{Migration, next_status};
use super::process::Process;
use super::settings::{DiskSettings, Settings};
use crate::hypervisor::{Bases, Description, Disk, HypervisorError, Plan, Storage, Stream, Target};
use crate::qmp::Events;

/// A guest that comes to this site, or is to.
pub struct Incoming {
    settings: Settings,
    memory: PathBuf,
    nbd: PathBuf,
    arriving: Option<Arriving>,
}

/// The QEMU that a guest arrives in.
struct Arriving {
    qemu: Instance,
    migration: Events,
}

impl Incoming {
    /// A guest that may come.
    ///
    /// # Errors
    /// Those of [`Settings::validate`].
    pub fn new(settings: Settings) -> Result<Self, HypervisorError> {
        settings.validate()?;
        let (memory, nbd) = (settings.memory_socket(), settings.disk_socket());
        Ok(Self {
            settings,
            memory,
            nbd,
            arriving: None,
        })
    }

    /// A guest that was arriving when the agent ended. If its QEMU is gone, there is nothing to
    /// wait for, and [`discard`](Target::discard) clears up.
    ///
    /// # Errors
    /// Those of [`Settings::validate`], and when QEMU is there but does not answer.
    pub async fn attach(settings: Settings) -> Result<Self, HypervisorError> {
        let mut incoming = Self::new(settings)?;
        incoming.arriving = incoming.find().await?;
        Ok(incoming)
    }

    /// The QEMU that an earlier agent has started. The agent may have ended before that served its
    /// monitor, and it ends by itself where its stream was cut.
    async fn find(&self) -> Result<Option<Arriving>, HypervisorError> {
        let deadline = Instant::now() + START;
        while let Some(process) = Process::find(&self.settings) {
            match Instance::attach(&self.settings).await {
                Ok(qemu) => return Ok(Some(Arriving::new(qemu))),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => drop(process.ends_within(TRY).await),
            }
        }
        Ok(None)
    }

    fn arriving(&mut self) -> Result<&mut Arriving, HypervisorError> {
        let guest = &self.settings.name;
        self.arriving.as_mut().ok_or_else(|| HypervisorError::Gone {
            guest: guest.clone(),
            reason: "no QEMU that it could arrive in has been started, or it has ended".to_owned(),
        })
    }

    /// Starts QEMU and opens its sockets.
    async fn start(&self, guest: &Description, plan: &Plan) -> Result<Arriving, HypervisorError> {
        let mut backends = Vec::new();
        for (settings, disk) in self.settings.disks.iter().zip(&guest.disks) {
            backends.push(self.backend(settings, disk, plan.storage).await?);
        }
        let arguments = arguments(&self.settings, Beginning::Incoming, &backends);
        let arriving = Arriving::new(Instance::start(&self.settings, &arguments).await?);
        let opened = self.open(&arriving.qemu, plan).await;
        if opened.is_err() {
            arriving.qemu.quit().await?;
        }
        opened.map(|()| arriving)
    }

    async fn open(&self, qemu: &Instance, plan: &Plan) -> Result<(), HypervisorError> {
        let capabilities = json!({"capabilities": [{"capability": "events", "state": true}]});
        qemu.execute(
            "set up the arrival",
            "migrate-set-capabilities",
            capabilities,
        )
        .await?;
        if plan.storage != Storage::None && !self.settings.disks.is_empty() {
            let address = json!({"addr": {"type": "unix", "data": {"path": self.nbd}}});
            qemu.execute("serve the disks", "nbd-server-start", address)
                .await?;
            for DiskSettings { id, .. } in &self.settings.disks {
                let export = json!({"type": "nbd", "id": format!("relocate-{id}"), "node-name": id, "name": id, "writable": true});
                qemu.execute(&format!("serve disk {id}"), "block-export-add", export)
                    .await?;
            }
        }
        let uri = json!({"uri": format!("unix:{}", self.memory.display())});
        qemu.execute("wait for memory", "migrate-incoming", uri)
            .await?;
        Ok(())
    }

    /// Makes what a disk is to be written to.
    async fn backend(
        &self,
        settings: &DiskSettings,
        disk: &Disk,
        storage: Storage,
    ) -> Result<Backend, HypervisorError> {
        let base = match &settings.base {
            Some(path) if disk.lies_on_base(storage) => {
                Some((path.clone(), image::info(path).await?.format))
            }
            _ => None,
        };
        if storage == Storage::None {
            return Ok(Backend::Image {
                path: settings.overlay.clone(),
                base,
            });
        }
        let path = settings.incoming();
        remove(&path)?;
        let below = base
            .as_ref()
            .map(|(path, format)| (path.as_path(), *format));
        image::create(&path, disk.size, below).await?;
        Ok(Backend::Image { path, base })
    }

    fn remove_arrived_disks(&self) -> Result<(), HypervisorError> {
        for disk in &self.settings.disks {
            remove(&disk.incoming())?;
        }
        Ok(())
    }
}

impl Arriving {
    fn new(qemu: Instance) -> Self {
        let migration = qemu.events(&["MIGRATION"]);
        Self { qemu, migration }
    }
}

#[async_trait]
impl Target for Incoming {
    async fn check(&mut self, guest: &Description, plan: &Plan) -> Result<(), HypervisorError> {
        check::check(&self.settings, guest, plan).await
    }

    async fn bases(&mut self) -> Result<Bases, HypervisorError> {
        let disks = self.settings.disks.iter();
        Ok(disks
            .filter_map(|disk| Some((disk.id.clone(), disk.base.clone()?)))
            .collect())
    }

    async fn prepare(&mut self, guest: &Description, plan: &Plan) -> Result<(), HypervisorError> {
        check::check_nothing_runs(&self.settings)?;
        check::check_disks_match(&self.settings, guest)?;
        match self.start(guest, plan).await {
            Ok(mut arriving) => {
                arriving.qemu.keep();
                self.arriving = Some(arriving);
            }
            Err(error) => {
                self.remove_arrived_disks()?;
                return Err(error);
            }
        }
        Ok(())
    }

    fn socket(&self, stream: &Stream) -> Option<&Path> {
        self.arriving.as_ref()?;
        match stream {
            Stream::Memory => Some(&self.memory),
            Stream::Disk(id) => self
                .settings
                .disks
                .iter()
                .any(|disk| disk.id == *id)
                .then_some(self.nbd.as_path()),
            Stream::Control => None,
        }
    }

    async fn loaded(&mut self) -> Result<(), HypervisorError> {
        let Arriving { qemu, migration } = self.arriving()?;
        while Migration::query(qemu).await?.status.as_deref() != Some("completed") {
            match next_status(qemu, migration).await?.as_str() {
                "failed" | "cancelled" => return Err(Migration::query(qemu).await?.failure()),
                _ => {}
            }
        }
        let exports: Vec<serde_json::Value> = qemu.query("query-block-exports", json!({})).await?;
        if exports.is_empty() {
            return Ok(());
        }
        for export in &exports {
            flush(qemu, export["node-name"].as_str().unwrap_or_default()).await?;
        }
        // The source has closed its end before it sent the state that is loaded now.
        qemu.execute("serve the disks no longer", "nbd-server-stop", json!({}))
            .await?;
        Ok(())
    }

    async fn resume(&mut self) -> Result<(), HypervisorError> {
        let status = Migration::query(&self.arriving()?.qemu).await?.status;
        if status.as_deref() != Some("completed") {
            return Err(HypervisorError::Refused(format!(
                "guest {} has not arrived and cannot run",
                self.settings.name
            )));
        }
        adopt_disks(&self.settings)?;
        let qemu = &self.arriving()?.qemu;
        qemu.execute("let the guest run here", "cont", json!({}))
            .await?;
        Ok(())
    }

    async fn discard(&mut self) -> Result<(), HypervisorError> {
        if let Some(Arriving { qemu, .. }) = &self.arriving {
            if qemu.run_state().await.is_ok_and(|state| state == "running") {
                return Err(HypervisorError::Refused(format!(
                    "guest {} runs here and cannot be discarded",
                    self.settings.name
                )));
            }
            qemu.quit().await?;
        }
        self.arriving = None;
        self.remove_arrived_disks()
    }
}

/// The disks that have arrived become the guest's.
pub(super) fn adopt_disks(settings: &Settings) -> Result<(), HypervisorError> {
    for disk in &settings.disks {
        let incoming = disk.incoming();
        if !incoming.exists() {
            continue;
        }
        if disk.overlay.exists() {
            tracing::info!(overlay = %disk.overlay.display(), "of an earlier stay, is kept as .left");
            rename(&disk.overlay, &disk.left_behind())?;
        }
        rename(&incoming, &disk.overlay)?;
    }
    Ok(())
}

/// Makes what has been written to a disk durable: the source may forget it soon.
async fn flush(qemu: &Instance, disk: &str) -> Result<(), HypervisorError> {
    let doing = format!("flush disk {disk}");
    let command = json!({"command-line": format!("qemu-io {disk} flush")});
    let said = qemu
        .execute(&doing, "human-monitor-command", command)
        .await?;
    match said.as_str().map(str::trim) {
        None | Some("") => Ok(()),
        Some(said) => Err(HypervisorError::Failed {
            doing,
            reason: said.to_owned(),
        }),
    }
}

fn remove(path: &Path) -> Result<(), HypervisorError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(HypervisorError::Failed {
            doing: format!("remove {}", path.display()),
            reason: error.to_string(),
        }),
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), HypervisorError> {
    std::fs::rename(from, to).map_err(|error| HypervisorError::Failed {
        doing: format!("rename {} to {}", from.display(), to.display()),
        reason: error.to_string(),
    })
}
