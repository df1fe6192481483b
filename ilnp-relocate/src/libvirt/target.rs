//! The half at the site that a guest comes to.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::rpc::incoming::Incoming;
use super::rpc::migration::Terms;
use super::{Domain, cannot_listen, description, images};
use crate::hypervisor::{Description, HypervisorError, Plan, Storage, Stream, Target};

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
        for image in &definition.disks {
            let Some(disk) = guest.disks.iter().find(|disk| disk.id == image.target) else {
                continue;
            };
            let needed = match plan.storage {
                Storage::None => 0,
                Storage::Delta => disk.delta,
                Storage::Full => disk.whole,
            };
            let room = images::room(&image.file)?;
            if room < needed {
                return Err(HypervisorError::Refused(format!(
                    "disk {} needs {needed} octets beside {}, and {room} are left",
                    disk.id,
                    image.file.display()
                )));
            }
        }
        Ok(())
    }

    async fn prepare(&mut self, _guest: &Description, plan: &Plan) -> Result<(), HypervisorError> {
        self.must_not_run().await?;
        let definition = self.domain.definition(false).await?;
        let mut copied = Vec::new();
        if plan.storage != Storage::None {
            for image in &definition.disks {
                images::empty(image).await?;
                copied.push(image.target.clone());
            }
        }
        let memory = self.domain.fresh_socket("memory")?;
        let disks = self.domain.fresh_socket("disks")?;
        let socket = self.domain.fresh_socket("incoming")?;
        let terms = Terms {
            name: self.domain.name.clone(),
            definition: self.domain.xml(false).await?,
            memory: format!("unix://{}", memory.display()),
            disks: format!("unix://{}", disks.display()),
            copied,
        };
        let relay = Incoming::listen(&socket, daemon(&self.domain.uri)?, terms)
            .map_err(|error| cannot_listen(&socket, &error))?;
        self.prepared = Some(Prepared {
            relay,
            memory,
            disks,
        });
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
        let resumed = match self.domain.state().await?.as_str() {
            "running" => Ok(()),
            "paused" => {
                let virsh = self.domain.virsh();
                virsh
                    .run("resume the domain", "resume", &[])
                    .await
                    .map(drop)
            }
            state => Err(HypervisorError::Failed {
                doing: "resume the domain".to_owned(),
                reason: format!("it is {state} (its log is in /var/log/libvirt/qemu)"),
            }),
        };
        resumed.inspect(|()| self.prepared = None)
    }

    async fn discard(&mut self) -> Result<(), HypervisorError> {
        // libvirt ends a half-made domain with the connection that made it.
        self.prepared = None;
        match self.domain.state().await?.as_str() {
            "shut off" | "crashed" => Ok(()),
            "running" => Err(HypervisorError::Refused(format!(
                "domain {} runs here: it is not thrown away",
                self.domain.name
            ))),
            _ => {
                let doing = "throw away the domain that has arrived";
                let virsh = self.domain.virsh();
                match virsh.run(doing, "destroy", &[]).await {
                    Err(_) if self.domain.state().await? == "shut off" => Ok(()),
                    destroyed => destroyed.map(drop),
                }
            }
        }
    }
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
