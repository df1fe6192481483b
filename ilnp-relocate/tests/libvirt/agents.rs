//! What the agents of two sites do for a move: they carry the streams, and decide.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ilnp_relocate::hypervisor::{
    Assistance, Copied, HypervisorError, Plan, Progress, Source as _, Storage, Stream, Target as _,
};
use ilnp_relocate::libvirt::{LibvirtSource, LibvirtTarget};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::site::Site;

/// Every wait of a test ends.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn plan() -> Plan {
    Plan {
        storage: Storage::Delta,
        max_downtime: Duration::from_millis(300),
        bandwidth: Some(16 << 20),
        compress: false,
        post_copy: false,
    }
}

/// The streams between two sites, which can be cut.
pub(crate) struct Streams {
    directory: PathBuf,
    cut: watch::Sender<bool>,
    /// Octets that have gone to the target, by stream: memory, disk, control.
    pub(crate) carried: [Arc<AtomicUsize>; 3],
    /// What the guest was told.
    pub(crate) told: Mutex<Vec<&'static str>>,
}

fn index(stream: &Stream) -> usize {
    match stream {
        Stream::Memory => 0,
        Stream::Disk(_) => 1,
        Stream::Control => 2,
    }
}

impl Streams {
    pub(crate) fn carry(source: &Site, target: &LibvirtTarget) -> Arc<Self> {
        let streams = Arc::new(Self {
            directory: source.directory.join("sockets"),
            cut: watch::channel(false).0,
            carried: Default::default(),
            told: Mutex::default(),
        });
        for stream in [
            Stream::Memory,
            Stream::Disk("vda".to_owned()),
            Stream::Control,
        ] {
            let here = streams.socket(&stream);
            let _ = std::fs::remove_file(&here);
            let listener = UnixListener::bind(&here).unwrap();
            let there = target.socket(&stream).unwrap().to_owned();
            let count = streams.carried[index(&stream)].clone();
            let mut cut = streams.cut.subscribe();
            tokio::spawn(async move {
                let mut connections = JoinSet::new();
                loop {
                    let accepted = tokio::select! {
                        accepted = listener.accept() => accepted.unwrap().0,
                        _ = cut.wait_for(|cut| *cut) => return,
                    };
                    connections.spawn(join(accepted, there.clone(), count.clone()));
                }
            });
        }
        streams
    }

    /// As when the line between the sites breaks.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    pub(crate) fn octets(&self, stream: &Stream) -> usize {
        self.carried[index(stream)].load(Ordering::Relaxed)
    }

    /// Cuts the streams once this many octets have gone through one of them. Does not return.
    pub(crate) async fn cut_after(&self, stream: &Stream, octets: usize) {
        while self.octets(stream) < octets {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.cut();
        std::future::pending().await
    }
}

#[async_trait]
impl Assistance for Streams {
    fn socket(&self, stream: &Stream) -> PathBuf {
        let name = ["memory", "disk", "control"][index(stream)];
        self.directory.join(format!("line-{name}"))
    }

    async fn about_to_stop(&self) {
        self.told.lock().unwrap().push("about to stop");
        // A round trip and the guest's answer.
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.told.lock().unwrap().push("told");
    }

    async fn stopped(&self) {
        self.told.lock().unwrap().push("stopped");
    }
}

async fn join(here: UnixStream, there: PathBuf, count: Arc<AtomicUsize>) {
    let Ok(there) = UnixStream::connect(&there).await else {
        return;
    };
    let (mut from_here, mut to_here) = here.into_split();
    let (mut from_there, mut to_there) = there.into_split();
    let forward = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_here.read(&mut buffer).await {
            if to_there.write_all(&buffer[..length]).await.is_err() {
                return;
            }
            count.fetch_add(length, Ordering::Relaxed);
        }
        let _ = to_there.shutdown().await;
    };
    let back = async {
        let _ = tokio::io::copy(&mut from_there, &mut to_here).await;
        let _ = to_here.shutdown().await;
    };
    tokio::join!(forward, back);
}

/// Both halves of a move.
pub(crate) struct Move {
    pub(crate) source: LibvirtSource,
    pub(crate) target: LibvirtTarget,
    pub(crate) streams: Arc<Streams>,
}

impl Move {
    /// Up to where the copy may begin.
    pub(crate) async fn prepare(
        from: &Site,
        to: &Site,
        plan: &Plan,
    ) -> Result<Self, HypervisorError> {
        let mut source = LibvirtSource::new(from.domain());
        let mut target = LibvirtTarget::new(to.domain());
        let guest = source.describe().await?;
        target.check(&guest, plan).await?;
        target.prepare(&guest, plan).await?;
        let streams = Streams::carry(from, &target);
        Ok(Self {
            source,
            target,
            streams,
        })
    }

    pub(crate) async fn copy(&mut self, plan: &Plan) -> Result<Copied, HypervisorError> {
        let (progress, mut reports) = mpsc::channel::<Progress>(64);
        let reports = tokio::spawn(async move { while reports.recv().await.is_some() {} });
        let streams = self.streams.clone();
        let copied = timeout(LIMIT, self.source.copy(plan, streams.as_ref(), &progress))
            .await
            .expect("the copy ends");
        drop(progress);
        reports.await.unwrap();
        copied
    }

    /// The source says that it lets go, and the target takes over.
    pub(crate) async fn hand_over(&mut self) {
        timeout(LIMIT, self.target.loaded())
            .await
            .expect("it is loaded in time")
            .unwrap();
        self.target.resume().await.unwrap();
        self.source.release().await.unwrap();
    }
}
