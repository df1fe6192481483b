//! Programs that the lab starts, watches, and always ends.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{Doing, LabError};

const POLL: Duration = Duration::from_millis(2);
const GRACE: Duration = Duration::from_secs(3);
/// What a short command may take on a busy machine.
const LONGEST: Duration = Duration::from_secs(120);

/// A running program; it is ended when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a program that writes to the end of `log`.
    ///
    /// # Errors
    /// [`LabError::Io`] when the log cannot be written or the program not started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self, LabError> {
        command.stdout(append(log)?);
        Self::start_with_output(name, command, log)
    }

    /// Starts a program whose standard output goes where the command says, and its error output to
    /// the end of `log`.
    ///
    /// # Errors
    /// [`LabError::Io`] when the log cannot be written or the program not started.
    pub fn start_with_output(
        name: &str,
        command: &mut Command,
        log: &Path,
    ) -> Result<Self, LabError> {
        let errors = append(log)?;
        command.stderr(errors);
        let child = command
            .spawn()
            .doing(|| format!("start {name} ({})", describe(command)))?;
        tracing::debug!(name, pid = child.id(), "started");
        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    /// The name that it was started under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard output, which the command must have piped.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when it was not piped, or was taken before.
    pub fn take_output(&mut self) -> Result<std::process::ChildStdout, LabError> {
        let output = self.child.stdout.take();
        output.ok_or_else(|| LabError::Misuse(format!("the output of {} is not piped", self.name)))
    }

    /// Its standard input, which the command must have piped.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when it was not piped, or was taken before.
    pub fn take_input(&mut self) -> Result<std::process::ChildStdin, LabError> {
        let input = self.child.stdin.take();
        input.ok_or_else(|| LabError::Misuse(format!("the input of {} is not piped", self.name)))
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until it ends by itself, at most `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            let ended = self.ended();
            if ended.is_some() || Instant::now() >= end {
                return ended;
            }
            sleep(POLL);
        }
    }

    /// Sends a signal to it, unless it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none()
            && let Ok(pid) = i32::try_from(self.child.id())
            && let Err(error) = kill(Pid::from_raw(pid), signal)
        {
            tracing::warn!(name = self.name, %error, "cannot signal");
        }
    }

    /// Ends it: `SIGTERM`, and `SIGKILL` when it has not ended after three seconds. Returns how it
    /// ended.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::SIGTERM);
        if let Some(status) = self.wait(GRACE) {
            return Some(status);
        }
        tracing::warn!(name = self.name, "does not end on SIGTERM, killed");
        self.signal(Signal::SIGKILL);
        self.wait(GRACE)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Opens a log to write at its end.
pub(crate) fn append(log: &Path) -> Result<File, LabError> {
    File::options()
        .create(true)
        .append(true)
        .open(log)
        .doing(|| format!("write {}", log.display()))
}

/// The words that start a program where distributions confine it to folders of its own, as Debian
/// confines BIND by AppArmor.
pub fn unconfined(program: &str) -> Vec<&str> {
    let profiles = std::fs::read_to_string("/sys/kernel/security/apparmor/profiles");
    let mut words = vec![program];
    if profiles.is_ok_and(|profiles| profiles.contains(program)) {
        words.splice(..0, ["aa-exec", "-p", "unconfined", "--"]);
    }
    words
}

/// Runs a short command to its end, feeding it `input`.
///
/// # Errors
/// [`LabError::Failed`] with what it said when it fails, or does not end within two minutes.
pub(crate) fn run(command: &mut Command, input: &str) -> Result<Output, LabError> {
    let output = output(command, input, LONGEST)?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    Err(LabError::Failed {
        command: describe(command),
        status: status_text(output.status),
        output: String::from_utf8_lossy(&said).trim().to_owned(),
    })
}

/// Runs a command to its end, feeding it `input`, and returns how it ended and what it said.
///
/// # Errors
/// [`LabError::Failed`] when it does not end within `limit`, and is killed, or when a process that it
/// started still holds its output.
pub fn output(command: &mut Command, input: &str, limit: Duration) -> Result<Output, LabError> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .doing(|| format!("start {}", describe(command)))?;
    let feed = child.stdin.take().map(|mut stdin| {
        let input = input.to_owned();
        // A program that fails early does not read its input; its exit status tells.
        move || drop(stdin.write_all(input.as_bytes()))
    });
    feed.map(thread::spawn);
    let [stdout, stderr] = [read_all(child.stdout.take()), read_all(child.stderr.take())];
    let mut process = Process {
        name: describe(command),
        child,
    };
    let ended = process.wait(limit);
    if ended.is_none() {
        process.signal(Signal::SIGKILL);
        process.wait(GRACE);
    }
    let read = |octets: Receiver<Vec<u8>>| octets.recv_timeout(GRACE).ok();
    match (ended, read(stdout), read(stderr)) {
        (Some(status), Some(stdout), Some(stderr)) => Ok(Output {
            status,
            stdout,
            stderr,
        }),
        (ended, stdout, stderr) => Err(LabError::Failed {
            command: describe(command),
            status: match ended {
                None => format!("killed: it had not ended after {} s", limit.as_secs()),
                Some(status) => format!(
                    "{}, but a process that it started goes on and holds its output",
                    status_text(status)
                ),
            },
            output: String::from_utf8_lossy(
                &[stderr.unwrap_or_default(), stdout.unwrap_or_default()].concat(),
            )
            .trim()
            .to_owned(),
        }),
    }
}

/// Reads to the end on a thread of its own.
fn read_all(source: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, octets) = mpsc::channel();
    thread::spawn(move || {
        let mut read = Vec::new();
        // What was read before an error is all that there is.
        let _ = source.map(|mut source| source.read_to_end(&mut read));
        let _ = sender.send(read);
    });
    octets
}

/// How a program ended, in words.
pub(crate) fn status_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown end".to_owned(),
    }
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The end of a log, for an error message.
pub(crate) fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, input: &str, limit: Duration) -> Result<Output, LabError> {
        output(Command::new("sh").args(["-c", script]), input, limit)
    }

    #[test]
    fn a_command_is_fed_and_heard() {
        let limit = Duration::from_secs(60);
        let said = sh("cat; echo no >&2; exit 3", "fed", limit).unwrap();
        assert_eq!(said.status.code(), Some(3));
        assert_eq!((&*said.stdout, &*said.stderr), (&b"fed"[..], &b"no\n"[..]));
    }

    #[test]
    fn a_command_that_does_not_end_is_killed_and_named() {
        let error = sh("echo said; exec sleep 3600", "", POLL * 100).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("sh -c echo said; exec sleep"), "{error}");
        assert!(error.contains("had not ended after 0 s): said"), "{error}");
    }

    #[test]
    fn output_that_is_held_by_another_is_not_waited_for() {
        let limit = Duration::from_secs(60);
        // Longer than anybody waits for its end.
        let error = sh("sleep 7 & echo said", "", limit).unwrap_err();
        assert!(error.to_string().contains("holds its output"), "{error}");
    }
}
