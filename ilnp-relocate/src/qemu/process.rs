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
    /// Whether it is somebody's, who ends it. Until then it ends with this.
    kept: bool,
}

impl Process {
    /// Starts QEMU. It outlives this process and whatever terminal that has, once it is
    /// [kept](Self::keep): work that is given up in between leaves nothing behind.
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
            kept: false,
        })
    }

    /// Lets it outlive this.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }

    /// The QEMU that runs this guest here, if one does. One that has just been started has not
    /// written its file yet.
    pub(super) fn find(settings: &Settings) -> Option<Self> {
        let process = |pid| Self {
            pid,
            pid_file: settings.pid_file(),
            log: settings.log_file(),
            exit: None,
            kept: true,
        };
        let text = std::fs::read_to_string(settings.pid_file()).unwrap_or_default();
        let written = text.trim().parse().ok().filter(|pid| *pid > 0);
        if let Some(pid) = written {
            let found = process(Pid::from_raw(pid));
            if found.is_named_in(&arguments_of(pid)) {
                return Some(found);
            }
        }
        let processes = std::fs::read_dir("/proc").ok()?.flatten();
        let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let pid = numbers.find(|pid| is_started_with(&settings.pid_file(), &arguments_of(*pid)))?;
        Some(process(Pid::from_raw(pid)))
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether the process is still there. A number that another process has now does not count.
    pub(super) fn is_alive(&self) -> bool {
        if let Some(exit) = &self.exit {
            return exit.get().is_none();
        }
        let arguments = arguments_of(self.pid.as_raw());
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

impl Drop for Process {
    fn drop(&mut self) {
        if !self.kept {
            self.kill();
        }
    }
}

/// The arguments of a process, each with a zero behind it.
fn arguments_of(pid: i32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// Whether these are a QEMU's that writes this file. Others may read it.
fn is_started_with(pid_file: &Path, arguments: &[u8]) -> bool {
    let arguments: Vec<&[u8]> = arguments.split(|octet| *octet == 0).collect();
    let wanted = [b"-pidfile".as_slice(), pid_file.as_os_str().as_bytes()];
    arguments.windows(2).any(|pair| pair == wanted)
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
    fn knows_who_writes_the_file() {
        let named = |arguments: &[u8]| is_started_with(Path::new("/run/vm1.pid"), arguments);
        assert!(named(b"setsid\0qemu\0-pidfile\0/run/vm1.pid\0-S\0"));
        assert!(!named(b"tail\0-f\0/run/vm1.pid\0"));
        assert!(!named(b"qemu\0-pidfile\0/run/vm10.pid\0"));
        assert!(!named(b""));
    }

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
