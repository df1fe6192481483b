//! What carries the streams between two sites, and can be cut at any point.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ilnp_relocate::hypervisor::{Assistance, Stream, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Whether octets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// They do.
    Open,
    /// Every connection is closed.
    Cut,
    /// They are lost, and nobody is told.
    Silent,
}

/// When something happens to the flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Never,
    /// So many octets have gone from the source in this stream.
    After(Stream, u64),
    /// The guest is told that it will be stopped.
    AboutToStop,
    /// The guest stands still.
    Stopped,
}

/// What was called when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) about_to_stop: Vec<Instant>,
    pub(crate) stopped: Vec<Instant>,
}

pub(crate) struct Link {
    directory: PathBuf,
    moment: Moment,
    then: Flow,
    flow: watch::Sender<Flow>,
    octets: Mutex<Vec<(Stream, Arc<AtomicU64>)>>,
    calls: Mutex<Calls>,
    _tasks: JoinSet<()>,
}

impl Link {
    /// To a target that is prepared. At some moment the flow changes.
    pub(crate) fn new(
        directory: &Path,
        target: &dyn Target,
        moment: Moment,
        then: Flow,
    ) -> Arc<Self> {
        let (flow, _) = watch::channel(Flow::Open);
        let _ = std::fs::remove_dir_all(directory);
        std::fs::create_dir_all(directory).unwrap();
        let mut tasks = JoinSet::new();
        let mut octets = Vec::new();
        for stream in [Stream::Memory, Stream::Disk("vd0".into())] {
            let Some(to) = target.socket(&stream).map(Path::to_path_buf) else {
                continue;
            };
            let listener = UnixListener::bind(directory.join(name(&stream))).unwrap();
            let count = Arc::new(AtomicU64::new(0));
            octets.push((stream.clone(), Arc::clone(&count)));
            let limit = match &moment {
                Moment::After(of, limit) if *of == stream => *limit,
                _ => u64::MAX,
            };
            let flow = flow.clone();
            tasks.spawn(async move {
                let mut pumps = JoinSet::new();
                while let Ok((source, _)) = listener.accept().await {
                    if *flow.borrow() == Flow::Cut {
                        continue;
                    }
                    let (from_source, to_source) = source.into_split();
                    let Ok(target) = UnixStream::connect(&to).await else {
                        continue;
                    };
                    let (from_target, to_target) = target.into_split();
                    let forth = Pump {
                        flow: flow.clone(),
                        then,
                        limit,
                        count: Arc::clone(&count),
                    };
                    let back = Pump {
                        flow: flow.clone(),
                        then,
                        limit: u64::MAX,
                        count: Arc::default(),
                    };
                    pumps.spawn(forth.run(from_source, to_target));
                    pumps.spawn(back.run(from_target, to_source));
                }
            });
        }
        let directory = directory.to_path_buf();
        Arc::new(Self {
            directory,
            moment,
            then,
            flow,
            octets: Mutex::new(octets),
            calls: Mutex::default(),
            _tasks: tasks,
        })
    }

    /// Octets that have gone from the source in a stream.
    pub(crate) fn octets(&self, stream: &Stream) -> u64 {
        let octets = self.octets.lock().unwrap();
        octets
            .iter()
            .find(|(of, _)| of == stream)
            .map_or(0, |(_, count)| count.load(Ordering::Relaxed))
    }

    pub(crate) fn calls(&self) -> Calls {
        self.calls.lock().unwrap().clone()
    }

    fn happens(&self, moment: &Moment) {
        if self.moment == *moment {
            self.flow.send_replace(self.then);
        }
    }
}

struct Pump {
    flow: watch::Sender<Flow>,
    then: Flow,
    limit: u64,
    count: Arc<AtomicU64>,
}

impl Pump {
    async fn run(
        self,
        mut from: tokio::net::unix::OwnedReadHalf,
        mut to: tokio::net::unix::OwnedWriteHalf,
    ) {
        let mut flow = self.flow.subscribe();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = tokio::select! {
                read = from.read(&mut buffer) => read.unwrap_or(0),
                _ = flow.wait_for(|flow| *flow == Flow::Cut) => 0,
            };
            if read == 0 {
                return;
            }
            if *flow.borrow() == Flow::Silent {
                // Nothing is read any more, as from a peer whose window is full.
                let _ = flow.wait_for(|flow| *flow != Flow::Silent).await;
                return;
            }
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
            let count = self.count.fetch_add(read as u64, Ordering::Relaxed) + read as u64;
            if count >= self.limit {
                self.flow.send_replace(self.then);
            }
        }
    }
}

#[async_trait]
impl Assistance for Link {
    fn socket(&self, stream: &Stream) -> PathBuf {
        self.directory.join(name(stream))
    }

    async fn about_to_stop(&self) {
        self.calls
            .lock()
            .unwrap()
            .about_to_stop
            .push(Instant::now());
        self.happens(&Moment::AboutToStop);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    async fn stopped(&self) {
        self.calls.lock().unwrap().stopped.push(Instant::now());
        self.happens(&Moment::Stopped);
    }
}

fn name(stream: &Stream) -> String {
    match stream {
        Stream::Memory => "memory".to_owned(),
        Stream::Disk(id) => format!("disk-{id}"),
        Stream::Control => "control".to_owned(),
    }
}
