//! The QEMU process: started in a session of its own, found again, ended.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::settings::Settings;
use crate::hypervisor::HypervisorError;

/// How much of the end of the log is read for an error message.
const TAIL: u64 = 2048;
/// How many of its last lines are told.
const LAST_LINES: usize = 5;
/// How often it is looked whether the process is still there.
const LOOK: Duration = Duration::from_millis(10);

/// A QEMU process, which may have been started by an agent that is no more.
pub(super) struct Process {
    pid: Pid,
    pid_file: PathBuf,
    log: PathBuf,
    /// How it ended; of this agent's child alone.
    exit: Option<Arc<OnceLock<ExitStatus>>>,
}

impl Process {
    /// Starts QEMU. It outlives this process and whatever terminal that has.
    ///
    /// `setsid` of util-linux, which is on every Debian system, makes the session and becomes QEMU.
    pub(super) fn spawn(
        settings: &Settings,
        arguments: &[String],
    ) -> Result<Self, HypervisorError> {
        let failed = |doing: String, error: std::io::Error| HypervisorError::Failed {
            doing,
            reason: error.to_string(),
        };
        settings.create_run_dir()?;
        let log = settings.log_file();
        let output = File::create(&log)
            .map_err(|error| failed(format!("create {}", log.display()), error))?;
        let errors = output
            .try_clone()
            .map_err(|error| failed(format!("write {}", log.display()), error))?;
        // What an earlier QEMU left would be taken for this one's.
        let pid_file = settings.pid_file();
        let _ = std::fs::remove_file(&pid_file);
        let mut child = Command::new("setsid")
            .arg(&settings.program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|error| failed(format!("start {}", settings.program.display()), error))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        let Some(pid) = pid else {
            return Err(HypervisorError::Failed {
                doing: format!("start {}", settings.program.display()),
                reason: "it has no process identifier".to_owned(),
            });
        };
        let exit = Arc::new(OnceLock::new());
        let reaped = Arc::clone(&exit);
        tokio::spawn(async move {
            if let Ok(status) = child.wait().await {
                let _ = reaped.set(status);
            }
        });
        Ok(Self {
            pid: Pid::from_raw(pid),
            pid_file,
            log,
            exit: Some(exit),
        })
    }

    /// The QEMU that runs this guest here, if one does.
    pub(super) fn find(settings: &Settings) -> Option<Self> {
        let pid_file = settings.pid_file();
        let text = std::fs::read_to_string(&pid_file).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok().filter(|pid| *pid > 0)?);
        let process = Self {
            pid,
            pid_file,
            log: settings.log_file(),
            exit: None,
        };
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        process.is_named_in(&arguments).then_some(process)
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether the process is still there. A number that another process has now does not count.
    pub(super) fn is_alive(&self) -> bool {
        if let Some(exit) = &self.exit {
            return exit.get().is_none();
        }
        let arguments = std::fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        // One that ends has no arguments any more, but still its files and their locks.
        self.is_named_in(&arguments) || (arguments.is_empty() && self.is_ending())
    }

    fn is_named_in(&self, arguments: &[u8]) -> bool {
        let pid_file = self.pid_file.as_os_str().as_bytes();
        arguments
            .split(|octet| *octet == 0)
            .any(|argument| argument == pid_file)
    }

    /// Whether a thread is left: the first may be a zombie long before the last.
    fn is_ending(&self) -> bool {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.pid)) else {
            return false;
        };
        threads.flatten().any(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state follows the name, which is in parentheses and may have some itself.
            let state = stat
                .rsplit_once(')')
                .map_or("", |(_, rest)| rest.trim_start());
            !state.is_empty() && !state.starts_with(['Z', 'X'])
        })
    }

    /// Waits for the process to end; says whether it did.
    pub(super) async fn ends_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }

    /// Ends the process the hard way.
    pub(super) fn kill(&self) {
        if self.is_alive() {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
    }

    /// How the process ended, as far as is known, and what it wrote last.
    pub(super) fn last_words(&self) -> String {
        let how = match self.exit.as_ref().and_then(|exit| exit.get()) {
            Some(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("it ended with status {code}"),
                (None, signal) => format!("it was ended by signal {}", signal.unwrap_or_default()),
            },
            None if self.is_alive() => format!("process {} is still there", self.pid),
            None => "its process is no more".to_owned(),
        };
        match tail(&self.log) {
            said if said.is_empty() => format!("{how} and left nothing in {}", self.log.display()),
            said => format!("{how}; last in {}: {said}", self.log.display()),
        }
    }
}

/// The last lines of a file, in one.
fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut end = Vec::new();
        file.take(TAIL).read_to_end(&mut end)?;
        Ok(end)
    };
    let end = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&end);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_last_lines_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        assert_eq!(tail(&path), "");
        let lines: Vec<String> = (0..10_000).map(|line| format!("line {line}\n\n")).collect();
        std::fs::write(&path, lines.concat()).unwrap();
        assert_eq!(
            tail(&path),
            "line 9995 | line 9996 | line 9997 | line 9998 | line 9999"
        );
        std::fs::write(&path, [0xff; 100]).unwrap();
        assert_eq!(tail(&path).chars().count(), 100);
    }
}
