//! The programs that are told about the stub resolver: `resolvectl` and `resolvconf`.

use std::fs;
use std::io::{Read, Write as _};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::error::InstallError;

/// How long a program may take: `resolvectl` waits far longer for a message bus that is stuck.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(2);
const MAX_OUTPUT: u64 = 16 << 10;

const RESOLVECTL: &str = "/usr/bin/resolvectl";
const RESOLVCONF: [&str; 2] = ["/usr/sbin/resolvconf", "/sbin/resolvconf"];

/// Whether systemd-resolved can be talked to on this host.
pub(super) fn has_resolvectl() -> bool {
    Path::new(RESOLVECTL).exists()
}

/// Debian's resolvconf or openresolv. The `resolvconf` of systemd is `resolvectl` by another name.
pub(super) fn resolvconf() -> Option<&'static str> {
    RESOLVCONF.into_iter().find(|path| {
        fs::canonicalize(path).is_ok_and(|path| !path.ends_with(Path::new("resolvectl")))
    })
}

/// Runs `resolvectl` and returns what it printed.
pub(super) fn resolvectl(words: &[&str]) -> Result<String, InstallError> {
    run(Command::new(RESOLVECTL).arg("--no-pager").args(words), "")
}

/// Runs `resolvconf` with `input`; where there is none (any more), there is nobody to tell.
pub(super) fn run_resolvconf(words: &[&str], input: &str) -> Result<(), InstallError> {
    match resolvconf() {
        Some(program) => run(Command::new(program).args(words), input).map(drop),
        None => Ok(()),
    }
}

fn run(command: &mut Command, input: &str) -> Result<String, InstallError> {
    let line = line_of(command);
    let failed = |ended: String, said: String| InstallError::Program {
        command: line.clone(),
        ended,
        said,
    };
    let mut child = command
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed("cannot be run".to_owned(), error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that fails early does not read its input; its exit status tells.
        let _ = stdin.write_all(input.as_bytes());
    }
    let status = wait(&mut child);
    match status {
        Some(status) if status.success() => Ok(output_of(&mut child).0),
        Some(status) => Err(failed(
            format!("failed ({status})"),
            output_of(&mut child).1,
        )),
        None => Err(failed(
            format!("did not end within {} s", PATIENCE.as_secs()),
            "it was killed".to_owned(),
        )),
    }
}

/// How it ended; `None` when it had to be killed.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let end = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < end => sleep(POLL),
            _ => {
                // Whatever these two say: there is nothing more to do.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
}

/// What an ended program wrote. Nothing is waited for: a daemon that it started may hold the pipes
/// open for good.
fn output_of(child: &mut Child) -> (String, String) {
    (said(child.stdout.as_mut()), said(child.stderr.as_mut()))
}

fn said<P: Read + AsFd>(pipe: Option<&mut P>) -> String {
    let mut octets = Vec::new();
    if let Some(pipe) = pipe
        && fcntl(&*pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).is_ok()
    {
        // Ends with an error where nothing more is there yet; what was read before is kept.
        let _ = pipe.take(MAX_OUTPUT).read_to_end(&mut octets);
    }
    String::from_utf8_lossy(&octets).trim().to_owned()
}

fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_what_was_printed() {
        assert_eq!(run(&mut Command::new("cat"), "a\nb\n").unwrap(), "a\nb");
    }

    #[test]
    fn does_not_wait_for_what_a_program_leaves_running() {
        let start = Instant::now();
        let line = "echo done; exec 3>&1; sleep 2 3>&- & exit 0";
        assert_eq!(
            run(Command::new("sh").args(["-c", line]), "").unwrap(),
            "done"
        );
        assert!(start.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn says_why_a_program_failed() {
        let error = run(
            Command::new("sh").args(["-c", "echo out; echo why >&2; exit 3"]),
            "",
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 3"), "{text}");
        assert!(text.ends_with(": why"), "{text}");
        let error = run(&mut Command::new("/nonexistent/program"), "").unwrap_err();
        assert!(error.to_string().contains("cannot be run"), "{error}");
    }
}
