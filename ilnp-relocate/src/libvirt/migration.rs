//! One `virsh migrate`, from its start until everything has been sent.

use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::job::Job;
use super::pace::{Pace, SLOW, Step};
use super::stop::Stop;
use super::virsh::{VIRSH, Virsh};
use crate::hypervisor::{Assistance, Copied, HypervisorError, Plan, Progress, Storage, Stream};

const DOING: &str = "migrate the domain";
/// How often is looked how far the copy is.
const LOOK: Duration = Duration::from_millis(50);
/// More than `virsh` ever says of an error.
const LONGEST_ERROR: u64 = 64 << 10;
const MEBIBYTE: u64 = 1 << 20;

/// The command line of `virsh migrate`. `bandwidth` is in MiB a second.
pub(super) fn arguments(
    uri: &str,
    control: &Path,
    plan: &Plan,
    bandwidth: u64,
    disks: &[String],
    assistance: &dyn Assistance,
) -> Vec<String> {
    let unix = |stream| format!("unix://{}", assistance.socket(&stream).display());
    let mut arguments = vec![
        "--desturi".to_owned(),
        through(uri, control),
        "--live".to_owned(),
        // The guest does not run at the target before it is told to.
        "--suspend".to_owned(),
        "--migrateuri".to_owned(),
        unix(Stream::Memory),
        "--auto-converge".to_owned(),
        "--abort-on-error".to_owned(),
        "--bandwidth".to_owned(),
        bandwidth.to_string(),
    ];
    // One stream carries all disks: libvirt connects to it once for each.
    if let (Some(first), Some(copy)) = (disks.first(), copy_of_storage(plan.storage)) {
        arguments.extend([
            copy.to_owned(),
            "--copy-storage-synchronous-writes".to_owned(),
            "--disks-uri".to_owned(),
            unix(Stream::Disk(first.clone())),
            "--migrate-disks".to_owned(),
            disks.join(","),
        ]);
    }
    if plan.compress {
        arguments.extend(["--compressed", "--comp-methods", "xbzrle"].map(str::to_owned));
    }
    arguments
}

/// In libvirt's unit, MiB a second. It knows nothing below one.
pub(super) fn rate(octets: u64) -> u64 {
    (octets / MEBIBYTE).max(1)
}

fn copy_of_storage(storage: Storage) -> Option<&'static str> {
    match storage {
        Storage::None => None,
        Storage::Delta => Some("--copy-storage-inc"),
        Storage::Full => Some("--copy-storage-all"),
    }
}

/// The URI of the daemon behind `socket` that is of the same kind as the one at `uri`.
fn through(uri: &str, socket: &Path) -> String {
    let kind = if uri.contains(":///session") {
        "session"
    } else {
        "system"
    };
    format!("qemu+unix:///{kind}?socket={}", socket.display())
}

/// Migrates until `everything_sent`. The guest stands still then, and `virsh` has been ended, so
/// that nobody but the agents decides what becomes of it.
pub(super) async fn run(
    virsh: &Virsh,
    arguments: &[String],
    everything_sent: impl Future<Output = ()>,
    mut pace: Pace,
    watch: Watch<'_>,
) -> Result<Copied, HypervisorError> {
    let mut stop = Stop::watch(virsh)?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = virsh
        .command("migrate", &arguments)
        .spawn()
        .map_err(|error| VIRSH.not_started(DOING, &error))?;
    tokio::select! {
        // Once everything has been sent, what virsh says does not count any more.
        biased;
        () = everything_sent => {}
        output = ended(&mut child) => return Err(failure(virsh, &output?)),
        error = watch.pace(virsh, &mut pace) => return Err(error),
        () = watch.stop(virsh, &mut stop) => {}
    }
    child
        .kill()
        .await
        .map_err(|error| HypervisorError::Failed {
            doing: "end virsh".to_owned(),
            reason: error.to_string(),
        })?;
    watch.tell_stopped().await;
    Ok(watch.copied())
}

async fn ended(child: &mut Child) -> Result<Output, HypervisorError> {
    let mut stderr = Vec::new();
    if let Some(pipe) = child.stderr.take() {
        // It ends when virsh does, or says too much.
        let _ = pipe.take(LONGEST_ERROR).read_to_end(&mut stderr).await;
    }
    let status = child
        .wait()
        .await
        .map_err(|error| HypervisorError::Failed {
            doing: DOING.to_owned(),
            reason: error.to_string(),
        })?;
    Ok(Output {
        status,
        stdout: Vec::new(),
        stderr,
    })
}

fn failure(virsh: &Virsh, output: &Output) -> HypervisorError {
    match virsh.judge(DOING, output) {
        Err(error) => error,
        Ok(_) => HypervisorError::Failed {
            doing: DOING.to_owned(),
            reason: "virsh has ended before the agents agreed on it".to_owned(),
        },
    }
}

/// Watches a migration, tells of it, and holds it back.
pub(super) struct Watch<'a> {
    assistance: &'a dyn Assistance,
    progress: &'a mpsc::Sender<Progress>,
    stopped: AtomicBool,
    memory: AtomicU64,
    disks: AtomicU64,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        assistance: &'a dyn Assistance,
        progress: &'a mpsc::Sender<Progress>,
    ) -> Self {
        Self {
            assistance,
            progress,
            stopped: AtomicBool::new(false),
            memory: AtomicU64::new(0),
            disks: AtomicU64::new(0),
        }
    }

    fn copied(&self) -> Copied {
        Copied {
            memory: self.memory.load(Ordering::Relaxed),
            disks: self.disks.load(Ordering::Relaxed),
        }
    }

    /// Returns when the migration has to be given up.
    async fn pace(&self, virsh: &Virsh, pace: &mut Pace) -> HypervisorError {
        let began = Instant::now();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            // A daemon that does not answer ends the migration, which says more about it.
            let Some(job) = self.look(virsh).await else {
                continue;
            };
            if self.stopped.load(Ordering::Relaxed) {
                continue;
            }
            let _ = self.progress.try_send(job.progress());
            let step = pace.next(began.elapsed(), &job);
            if let Err(error) = self.take(virsh, pace, step).await {
                return error;
            }
            if step == Step::GiveUp {
                return HypervisorError::NotConverging {
                    passes: job.pass,
                    seconds: began.elapsed().as_secs(),
                    throttle: job.throttle,
                    dirty_rate: job.dirty_rate,
                    bandwidth: job.rate,
                };
            }
        }
    }

    async fn take(&self, virsh: &Virsh, pace: &Pace, step: Step) -> Result<(), HypervisorError> {
        match step {
            Step::Wait | Step::GiveUp => Ok(()),
            Step::Rate(rate) => set_rate(virsh, rate).await,
            Step::Stop => {
                // An idle guest would be stopped meanwhile.
                let (slowed, ()) =
                    tokio::join!(set_rate(virsh, SLOW), self.assistance.about_to_stop());
                slowed?;
                set_rate(virsh, pace.full()).await?;
                set_max_downtime(virsh, pace.max_downtime()).await
            }
        }
    }

    async fn look(&self, virsh: &Virsh) -> Option<Job> {
        let text = virsh
            .run("ask for the progress", "domjobinfo", &["--rawstats"])
            .await
            .ok()?;
        let job = Job::parse(&text);
        self.memory.fetch_max(job.memory_sent, Ordering::Relaxed);
        self.disks.fetch_max(job.disk_done, Ordering::Relaxed);
        Some(job)
    }

    /// Does not return.
    async fn stop(&self, virsh: &Virsh, stop: &mut Stop) {
        stop.seen().await;
        self.tell_stopped().await;
        // For the figures.
        self.look(virsh).await;
        std::future::pending().await
    }

    async fn tell_stopped(&self) {
        if !self.stopped.swap(true, Ordering::Relaxed) {
            let _ = self.progress.try_send(Progress::Stopped);
            self.assistance.stopped().await;
        }
    }
}

pub(super) async fn set_rate(virsh: &Virsh, rate: u64) -> Result<(), HypervisorError> {
    let rate = rate.to_string();
    virsh
        .run(
            "set the rate of the copy",
            "migrate-setspeed",
            &["--bandwidth", &rate],
        )
        .await
        .map(drop)
}

pub(super) async fn set_max_downtime(
    virsh: &Virsh,
    downtime: Duration,
) -> Result<(), HypervisorError> {
    let millis = downtime.as_millis().max(1).to_string();
    virsh
        .run(
            "set the limit of downtime",
            "migrate-setmaxdowntime",
            &["--downtime", &millis],
        )
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_behind_a_socket_is_of_the_same_kind() {
        let socket = Path::new("/run/x.sock");
        assert_eq!(
            through("qemu:///system", socket),
            "qemu+unix:///system?socket=/run/x.sock"
        );
        assert_eq!(
            through("qemu+unix:///session?socket=/a", socket),
            "qemu+unix:///session?socket=/run/x.sock"
        );
    }

    #[test]
    fn rates_are_never_none() {
        assert_eq!(rate(0), 1);
        assert_eq!(rate(MEBIBYTE * 3 / 2), 1);
        assert_eq!(rate(MEBIBYTE * 128), 128);
    }
}
