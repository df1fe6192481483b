//! What passes an interface, as a capture file.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use experiments::topology::Namespace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PATIENCE: Duration = Duration::from_secs(5);
/// What tcpdump may take to write the last packets.
const SETTLE: Duration = Duration::from_millis(300);

/// A running tcpdump; it is ended when this is dropped.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Child,
    file: PathBuf,
}

impl Capture {
    /// Starts to capture an interface, and returns when packets are seen.
    ///
    /// # Errors
    /// When tcpdump does not start within five seconds.
    pub fn start(namespace: &Namespace, interface: &str, file: &Path) -> anyhow::Result<Self> {
        if file.exists() {
            std::fs::remove_file(file)?;
        }
        let mut command: Command = namespace.command("tcpdump");
        // `-Z root`: the file is written where other users cannot.
        command
            .args(["-i", interface, "-U", "-Z", "root", "-w"])
            .arg(file);
        let tcpdump = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("tcpdump cannot be started")?;
        let capture = Self {
            tcpdump,
            file: file.to_owned(),
        };
        let end = Instant::now() + PATIENCE;
        // The header of the file comes when the socket is open.
        while std::fs::metadata(file).map_or(0, |file| file.len()) < 24 {
            ensure!(
                Instant::now() < end,
                "tcpdump wrote nothing to {}",
                file.display()
            );
            sleep(Duration::from_millis(10));
        }
        Ok(capture)
    }

    /// Ends the capture and returns its file.
    ///
    /// # Errors
    /// When tcpdump cannot be ended.
    pub fn finish(mut self) -> anyhow::Result<PathBuf> {
        sleep(SETTLE);
        let pid = Pid::from_raw(i32::try_from(self.tcpdump.id())?);
        kill(pid, Signal::SIGTERM)?;
        self.tcpdump.wait()?;
        Ok(std::mem::take(&mut self.file))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // After `finish` there is nothing left to end.
        if matches!(self.tcpdump.try_wait(), Ok(None)) {
            let _ = self.tcpdump.kill();
            let _ = self.tcpdump.wait();
        }
    }
}
