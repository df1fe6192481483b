//! Keeps the delays of the way to the target out of QEMU.
//!
//! Opening a disk of an NBD server takes some round trips, and QEMU's main loop stands still for
//! them, and the guest with it. So `qemu-nbd` opens the target's disk, and QEMU opens that, next
//! door. A write is answered once the target has answered it. A flush is answered at once, or the
//! end of the copy would take another round trip while the guest stands still: the target flushes
//! its disks itself before the guest runs there.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::hypervisor::HypervisorError;

/// How long opening the target's disk may take.
const OPEN: Duration = Duration::from_secs(30);
/// How often it is looked whether it is open.
const LOOK: Duration = Duration::from_millis(5);
/// How much of what it says is told.
const WORDS: u64 = 1024;

/// A disk of the target, next door. It is closed when this is dropped.
pub(super) struct Proxy {
    socket: PathBuf,
    child: Child,
    /// The first connection, which keeps the proxy from ending before QEMU has connected.
    first: Option<UnixStream>,
}

impl Proxy {
    /// Opens the disk with this identifier through the socket `target`, and serves it at `socket`.
    pub(super) async fn open(
        disk: &str,
        target: &Path,
        socket: PathBuf,
    ) -> Result<Self, HypervisorError> {
        let doing = || format!("open disk {disk} of the target");
        let failed = |reason: String| HypervisorError::Failed {
            doing: doing(),
            reason,
        };
        let _ = std::fs::remove_file(&socket);
        // In options of this form a comma is written twice.
        let path = target.display().to_string().replace(',', ",,");
        let image = format!(
            "driver=raw,file.driver=nbd,file.server.type=unix,file.server.path={path},file.export={disk}"
        );
        let child = Command::new("qemu-nbd")
            .args([
                "--image-opts",
                "--cache=unsafe",
                "--discard=unmap",
                "--shared=2",
                "--socket",
            ])
            .arg(&socket)
            .arg(image)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("cannot run qemu-nbd: {error}")))?;
        let mut proxy = Self {
            socket,
            child,
            first: None,
        };
        let deadline = Instant::now() + OPEN;
        loop {
            if let Ok(Some(_)) = proxy.child.try_wait() {
                return Err(failed(proxy.last_words().await));
            }
            if proxy.greets().await {
                return Ok(proxy);
            }
            if Instant::now() >= deadline {
                return Err(HypervisorError::TimedOut {
                    doing: doing(),
                    seconds: OPEN.as_secs(),
                });
            }
            sleep(LOOK).await;
        }
    }

    /// Whether the disk is open: before, connections are taken, but not greeted.
    async fn greets(&mut self) -> bool {
        if self.first.is_none() {
            self.first = UnixStream::connect(&self.socket).await.ok();
        }
        let Some(first) = &mut self.first else {
            return false;
        };
        let mut octet = [0; 1];
        matches!(timeout(LOOK, first.read(&mut octet)).await, Ok(Ok(1)))
    }

    /// QEMU has connected: from now on the proxy ends by itself when QEMU closes the disk.
    pub(super) fn is_taken(&mut self) {
        self.first = None;
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    async fn last_words(&mut self) -> String {
        let mut words = Vec::new();
        if let Some(stderr) = self.child.stderr.take() {
            let _ = stderr.take(WORDS).read_to_end(&mut words).await;
        }
        String::from_utf8_lossy(&words).trim().replace('\n', " | ")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}
