//! The half at the site that a guest leaves.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::job::Job;
use super::migration::{self, Watch};
use super::pace::{NO_DOWNTIME, Pace};
use super::rpc::outgoing::Outgoing;
use super::virsh::Virsh;
use super::{Domain, cannot_listen, sockets};
use crate::hypervisor::{
    Assistance, Bases, Copied, Description, HypervisorError, Plan, Progress, Source, Storage,
    Stream,
};

/// How long libvirt may take to give a migration up.
const ABORT: Duration = Duration::from_secs(60);
/// How long a daemon may be away: libvirt 9.0 was seen to crash when a job is aborted, and its guests
/// go on without it until it is started again.
const RESTART: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);
/// libvirt's rate when the operator has said nothing: all there is, in MiB a second.
const UNLIMITED: u64 = (i64::MAX as u64) >> 20;

/// A guest that is to leave.
pub struct LibvirtSource {
    domain: Domain,
    /// Kept until the target has answered: without it the target would throw away what it has.
    relay: Option<Outgoing>,
    limits: Option<Limits>,
}

/// What the operator has set for migrations of this domain.
struct Limits {
    /// In milliseconds.
    downtime: u64,
    /// In MiB a second.
    rate: u64,
}

impl LibvirtSource {
    /// The source's half for this domain.
    #[must_use]
    pub fn new(domain: Domain) -> Self {
        Self {
            domain,
            relay: None,
            limits: None,
        }
    }

    /// The source's half of a domain that is here, whether it runs or was stopped by a copy.
    ///
    /// # Errors
    /// [`HypervisorError::Gone`] when it does not run here; others when libvirt does not answer.
    pub async fn attach(domain: Domain) -> Result<Self, HypervisorError> {
        match domain.state().await?.as_str() {
            state @ ("shut off" | "crashed") => Err(HypervisorError::Gone {
                guest: domain.guest.clone(),
                reason: format!("domain {} is {state}", domain.name),
            }),
            _ => Ok(Self::new(domain)),
        }
    }

    async fn take_back(&self, virsh: &Virsh) -> Result<(), HypervisorError> {
        self.abort(virsh).await?;
        self.unpause(virsh).await
    }

    /// Stops the guest if a copy goes on, as `qemu/mirror.rs` tells: the copies of its disks are about to
    /// fail. What cannot be stopped has ended.
    async fn stop_writing(&self, virsh: &Virsh) {
        let doing = "stop the domain until the copy of its disks has ended";
        let goes_on = match virsh.run(doing, "domjobinfo", &["--rawstats"]).await {
            Ok(job) => Job::parse(&job).running,
            Err(_) => false,
        };
        if goes_on && let Err(error) = virsh.run(doing, "suspend", &[]).await {
            tracing::debug!(%error, domain = self.domain.name, "nothing to stop");
        }
    }

    /// Ends a copy that has not ended by itself.
    async fn abort(&self, virsh: &Virsh) -> Result<(), HypervisorError> {
        let doing = "end the copy";
        let deadline = Instant::now() + ABORT;
        loop {
            let job = virsh.run(doing, "domjobinfo", &["--rawstats"]).await?;
            if !Job::parse(&job).running {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(HypervisorError::TimedOut {
                    doing: doing.to_owned(),
                    seconds: ABORT.as_secs(),
                });
            }
            // It may end between the two commands.
            if let Err(error) = virsh.run(doing, "domjobabort", &[]).await {
                tracing::debug!(%error, domain = self.domain.name, "nothing to end");
            }
            sleep(LOOK).await;
        }
    }

    /// Lets the guest run, whoever stopped it.
    async fn unpause(&self, virsh: &Virsh) -> Result<(), HypervisorError> {
        let resumed = match self.domain.state().await?.as_str() {
            "running" => return Ok(()),
            "paused" => virsh.run("resume the domain", "resume", &[]).await,
            other => {
                return Err(HypervisorError::Failed {
                    doing: "resume the domain".to_owned(),
                    reason: format!("it is {other} (its log is in /var/log/libvirt/qemu)"),
                });
            }
        };
        // libvirt resumes a guest whose migration has failed, perhaps before we do.
        match resumed {
            Err(_) if self.domain.is_running().await? => Ok(()),
            resumed => resumed.map(drop),
        }
    }
}

#[async_trait]
impl Source for LibvirtSource {
    async fn describe(&mut self) -> Result<Description, HypervisorError> {
        let state = self.domain.state().await?;
        if state != "running" {
            return Err(HypervisorError::Refused(format!(
                "domain {} does not run here: it is {state}",
                self.domain.name
            )));
        }
        let definition = self.domain.definition(true).await?;
        self.domain.describe(&definition).await
    }

    async fn bases(&mut self) -> Result<Bases, HypervisorError> {
        let definition = self.domain.definition(true).await?;
        self.domain.bases(&definition).await
    }

    async fn copy(
        &mut self,
        plan: &Plan,
        assistance: &dyn Assistance,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Copied, HypervisorError> {
        if plan.post_copy {
            return Err(HypervisorError::Refused(
                "a libvirt guest cannot be moved with post-copy: libvirt would let it run at the \
                 target before the agents have agreed on it"
                    .to_owned(),
            ));
        }
        let virsh = self.domain.virsh();
        let definition = self.domain.definition(true).await?;
        let disks: Vec<String> = match plan.storage {
            Storage::None => Vec::new(),
            Storage::Delta | Storage::Full => {
                let targets = definition.disks.iter();
                targets.map(|disk| disk.target.clone()).collect()
            }
        };
        if definition.accelerator == "tcg" {
            // physmem.c of QEMU before 9.0: libvirt's memory is of whole MiB, which is where it goes wrong.
            tracing::warn!(
                domain = self.domain.name,
                "the domain is emulated (type 'qemu'): QEMU before 9.0 may lose what such a guest writes while it is \
                 copied, and the guest crashes; use KVM (type 'kvm') or a later QEMU"
            );
        }
        self.limits = Some(Limits::read(&virsh).await?);
        migration::set_max_downtime(&virsh, Duration::from_millis(NO_DOWNTIME)).await?;
        let full = plan.bandwidth.map_or(UNLIMITED, migration::rate);

        sockets::let_in(&self.domain.directory)?;
        let socket = self.domain.fresh_socket("outgoing")?;
        let relay = Outgoing::listen(&socket, assistance.socket(&Stream::Control))
            .map_err(|error| cannot_listen(&socket, &error))?;
        let relay = self.relay.insert(relay);
        let pace = Pace::new(full, definition.memory, plan.max_downtime);
        let (uri, bandwidth) = (&self.domain.uri, pace.first());
        let arguments = migration::arguments(uri, &socket, plan, bandwidth, &disks, assistance);
        migration::run(
            &virsh,
            &arguments,
            relay.everything_sent(),
            pace,
            Watch::new(assistance, progress),
        )
        .await
    }

    async fn resume(&mut self) -> Result<(), HypervisorError> {
        let virsh = self.domain.virsh();
        self.stop_writing(&virsh).await;
        self.relay = None;
        let deadline = Instant::now() + RESTART;
        while let Err(error) = self.take_back(&virsh).await {
            match error {
                HypervisorError::Gone { .. } if Instant::now() < deadline => {
                    tracing::warn!("{error}; trying again");
                    sleep(LOOK * 10).await;
                }
                _ => return Err(error),
            }
        }
        if let Some(limits) = self.limits.take()
            && let Err(error) = limits.restore(&virsh).await
        {
            tracing::warn!(%error, domain = self.domain.name, "the operator's limits of a migration are lost");
        }
        Ok(())
    }

    async fn downtime(&mut self) -> Option<Duration> {
        // virsh tells of a job that goes on, and this one ended with the agents' hand-over.
        None
    }

    async fn release(&mut self) -> Result<(), HypervisorError> {
        self.relay = None;
        match self.domain.state().await {
            Ok(state) if state == "shut off" => Ok(()),
            Ok(_) => {
                let doing = "end the domain that runs elsewhere now";
                let virsh = self.domain.virsh();
                virsh.run(doing, "destroy", &[]).await.map(drop)
            }
            // Nothing is left of a domain that was never defined.
            Err(HypervisorError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Limits {
    async fn read(virsh: &Virsh) -> Result<Self, HypervisorError> {
        let doing = "read the limits of a migration";
        let number = |text: String| {
            text.trim().parse().map_err(|_| HypervisorError::Failed {
                doing: doing.to_owned(),
                reason: format!("virsh says {:?}", text.trim()),
            })
        };
        Ok(Self {
            downtime: number(virsh.run(doing, "migrate-getmaxdowntime", &[]).await?)?,
            rate: number(virsh.run(doing, "migrate-getspeed", &[]).await?)?,
        })
    }

    async fn restore(&self, virsh: &Virsh) -> Result<(), HypervisorError> {
        migration::set_rate(virsh, self.rate).await?;
        migration::set_max_downtime(virsh, Duration::from_millis(self.downtime)).await
    }
}
