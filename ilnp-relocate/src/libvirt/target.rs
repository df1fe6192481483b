//! The half at the site that a guest comes to.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::definition::{Definition, Image};
use super::rpc::incoming::Incoming;
use super::rpc::migration::Terms;
use super::sockets::Directory;
use super::{Domain, aside, cannot_listen, description};
use crate::hypervisor::{Bases, Description, HypervisorError, Plan, Storage, Stream, Target};
use crate::qemu::room;

/// Where daemons listen that are not given by their URI, the modular one before the other.
const DAEMONS: [&str; 2] = ["/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock"];

/// A guest that is to come.
pub struct LibvirtTarget {
    domain: Domain,
    prepared: Option<Prepared>,
}

struct Prepared {
    relay: Incoming,
    memory: PathBuf,
    disks: PathBuf,
}

impl LibvirtTarget {
    /// The target's half for this domain.
    #[must_use]
    pub fn new(domain: Domain) -> Self {
        Self {
            domain,
            prepared: None,
        }
    }

    /// Opens the sockets that the guest arrives at, with these images.
    async fn listen(&self, images: &[Image]) -> Result<Prepared, HypervisorError> {
        let daemon = daemon(&self.domain.uri)?;
        let directory = Directory::beside(&daemon);
        directory.make(self.domain.qemu_owner().await?)?;
        let memory = directory.socket("memory", &self.domain.name)?;
        let disks = directory.socket("disks", &self.domain.name)?;
        let socket = self.domain.fresh_socket("incoming")?;
        let terms = Terms {
            name: self.domain.name.clone(),
            definition: self.domain.xml(false).await?,
            memory: format!("unix://{}", memory.display()),
            disks: format!("unix://{}", disks.display()),
            copied: images.iter().map(|image| image.target.clone()).collect(),
        };
        let relay = Incoming::listen(&socket, daemon, terms)
            .map_err(|error| cannot_listen(&socket, &error))?;
        Ok(Prepared {
            relay,
            memory,
            disks,
        })
    }

    async fn must_not_run(&self) -> Result<(), HypervisorError> {
        match self.domain.state().await?.as_str() {
            "shut off" | "crashed" => Ok(()),
            state => Err(HypervisorError::Refused(format!(
                "domain {} is {state} here already: end it first (`virsh destroy {}`) if it is not the guest that is to come",
                self.domain.name, self.domain.name
            ))),
        }
    }
}

#[async_trait]
impl Target for LibvirtTarget {
    async fn check(&mut self, guest: &Description, plan: &Plan) -> Result<(), HypervisorError> {
        self.must_not_run().await?;
        let definition = self.domain.definition(false).await?;
        let ours = self.domain.describe(&definition).await?;
        description::compare(guest, &ours, plan)?;
        room::check_memory(&guest.name, guest.memory)?;
        for image in &definition.disks {
            let Some(disk) = guest.disks.iter().find(|disk| disk.id == image.target) else {
                continue;
            };
            let needed = match plan.storage {
                Storage::None => 0,
                Storage::Delta => disk.delta,
                Storage::Full => disk.whole,
            };
            room::check_disk(&image.file, needed)?;
        }
        Ok(())
    }

    async fn bases(&mut self) -> Result<Bases, HypervisorError> {
        let definition = self.domain.definition(false).await?;
        self.domain.bases(&definition).await
    }

    async fn prepare(&mut self, _guest: &Description, plan: &Plan) -> Result<(), HypervisorError> {
        self.must_not_run().await?;
        let definition = self.domain.definition(false).await?;
        let images = match plan.storage {
            Storage::None => &[][..],
            Storage::Delta | Storage::Full => &definition.disks,
        };
        let prepared = match make_room(images).await {
            Ok(()) => self.listen(images).await,
            Err(error) => Err(error),
        };
        match prepared {
            Ok(prepared) => self.prepared = Some(prepared),
            Err(error) => {
                put_back(&definition)?;
                return Err(error);
            }
        }
        Ok(())
    }

    fn socket(&self, stream: &Stream) -> Option<&Path> {
        let prepared = self.prepared.as_ref()?;
        Some(match stream {
            Stream::Memory => &prepared.memory,
            Stream::Disk(_) => &prepared.disks,
            Stream::Control => prepared.relay.socket(),
        })
    }

    async fn loaded(&mut self) -> Result<(), HypervisorError> {
        let prepared = self
            .prepared
            .as_mut()
            .ok_or_else(|| not_prepared(&self.domain))?;
        prepared
            .relay
            .arrived()
            .await
            .map_err(|reason| HypervisorError::Failed {
                doing: "load the guest's state".to_owned(),
                reason,
            })
    }

    async fn resume(&mut self) -> Result<(), HypervisorError> {
        let state = self.domain.state().await?;
        if !matches!(state.as_str(), "running" | "paused") {
            return Err(HypervisorError::Failed {
                doing: "resume the domain".to_owned(),
                reason: format!(
                    "it is {state} (/var/log/libvirt/qemu/{}.log says why)",
                    self.domain.name
                ),
            });
        }
        for image in &self.domain.definition(false).await?.disks {
            aside::keep(image)?;
        }
        if state == "paused" {
            let virsh = self.domain.virsh();
            virsh.run("resume the domain", "resume", &[]).await?;
        }
        self.prepared = None;
        Ok(())
    }

    async fn discard(&mut self) -> Result<(), HypervisorError> {
        // libvirt ends a half-made domain with the connection that made it.
        self.prepared = None;
        match self.domain.state().await?.as_str() {
            "shut off" | "crashed" => {}
            "running" => {
                return Err(HypervisorError::Refused(format!(
                    "domain {} runs here: it is not thrown away",
                    self.domain.name
                )));
            }
            _ => {
                let doing = "throw away the domain that has arrived";
                let virsh = self.domain.virsh();
                match virsh.run(doing, "destroy", &[]).await {
                    Err(_) if self.domain.state().await? == "shut off" => {}
                    destroyed => destroyed.map(drop)?,
                }
            }
        }
        put_back(&self.domain.definition(false).await?)
    }
}

async fn make_room(images: &[Image]) -> Result<(), HypervisorError> {
    for image in images {
        aside::put(image).await?;
    }
    Ok(())
}

fn put_back(definition: &Definition) -> Result<(), HypervisorError> {
    definition.disks.iter().try_for_each(aside::back)
}

fn not_prepared(domain: &Domain) -> HypervisorError {
    HypervisorError::Refused(format!("domain {} is not expected here", domain.name))
}

/// The socket of the daemon at `uri`.
fn daemon(uri: &str) -> Result<PathBuf, HypervisorError> {
    let parameters = uri.split_once('?').map_or("", |(_, parameters)| parameters);
    let given = parameters
        .split('&')
        .find_map(|parameter| parameter.strip_prefix("socket="))
        .map(PathBuf::from);
    given
        .or_else(|| {
            let mut known = DAEMONS.iter().map(PathBuf::from);
            known.find(|path| path.exists())
        })
        .ok_or_else(|| {
            let refused = "no libvirt daemon of this machine listens: start libvirtd, or name its socket in the \
                           guest's uri, as qemu+unix:///system?socket=/run/libvirt/libvirt-sock";
            HypervisorError::Refused(refused.to_owned())
        })
}
