//! `cargo xtask bounded`: runs one test program for [`step::tests`], and always comes to an end.
//!
//! A program that hangs is ended at its deadline and named, so that the tests after it run all the same.
//! Whatever a test leaves behind is a failure too: it would hold locks, ports and the log's pipe.

use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

use crate::step;

/// What a program's own processes may take to notice its end, and what a killed process may take.
const SETTLE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// Runs a program; an error says that it failed, took longer than `limit`, or left processes behind.
pub(crate) fn run(limit: Duration, words: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = words.split_first().context("no program was named")?;
    // Those whose parent ends become children of this process, whatever session they have made.
    set_child_subreaper(true)?;
    let child = Command::new(program)
        .args(arguments)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let child = Pid::from_raw(child.id().try_into()?);
    let ends = reap();
    let ended = end_of(child, &ends, Instant::now() + limit);
    if ended.is_none() {
        step::say(&format!(
            "\n{program} has not ended after {limit:?} and is killed; of its tests those hang that have no result above. \
             What runs:{}",
            list(&descendants())
        ));
        let _ = kill(child, Signal::SIGKILL);
        end_of(child, &ends, Instant::now() + SETTLE);
    }
    let left = end_the_rest();
    ensure!(
        ended.is_some(),
        "{program} had not ended after {limit:?}, and was killed"
    );
    ensure!(
        left.is_empty(),
        "{program} left these processes behind, which were killed:{}",
        list(&left)
    );
    match ended {
        Some(WaitStatus::Exited(_, 0)) => Ok(()),
        Some(WaitStatus::Exited(_, status)) => bail!("{program} ended with status {status}"),
        Some(WaitStatus::Signaled(_, signal, _)) => bail!("{program} was ended by {signal}"),
        other => bail!("{program} ended, and nobody knows how: {other:?}"),
    }
}

/// Takes every process that ends off the process table, as process 1 does elsewhere, and tells of it.
fn reap() -> Receiver<WaitStatus> {
    let (told, ends) = mpsc::channel();
    thread::spawn(move || {
        loop {
            match wait() {
                Ok(status) if told.send(status).is_ok() => {}
                Err(Errno::EINTR) => {}
                // There are no children any more.
                _ => return,
            }
        }
    });
    ends
}

/// How a child ended; nothing when it has not at the deadline.
fn end_of(child: Pid, ends: &Receiver<WaitStatus>, deadline: Instant) -> Option<WaitStatus> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let status = ends.recv_timeout(left).ok()?;
        if status.pid() == Some(child) {
            return Some(status);
        }
    }
}

/// A process that this one has started, or one of those has.
struct Descendant {
    pid: Pid,
    line: String,
}

fn list(processes: &[Descendant]) -> String {
    let lines = processes
        .iter()
        .map(|Descendant { pid, line }| format!("\n  {pid} {line}"));
    lines.collect()
}

/// Waits for the descendants to end, then kills those that do not, and returns them.
fn end_the_rest() -> Vec<Descendant> {
    let wait_for_all = || {
        let deadline = Instant::now() + SETTLE;
        loop {
            let left = descendants();
            if left.is_empty() || Instant::now() > deadline {
                return left;
            }
            thread::sleep(POLL);
        }
    };
    let left = wait_for_all();
    let deadline = Instant::now() + SETTLE;
    // One that is about to be killed may start another.
    while Instant::now() < deadline {
        let still = descendants();
        if still.is_empty() {
            break;
        }
        for Descendant { pid, .. } in still {
            // It may have ended meanwhile.
            let _ = kill(pid, Signal::SIGKILL);
        }
        thread::sleep(POLL);
    }
    left
}

/// All that run and descend from this process.
fn descendants() -> Vec<Descendant> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![Pid::this().as_raw()];
    while let Some(pid) = next.pop() {
        for pid in children.remove(&pid).unwrap_or_default() {
            next.push(pid);
            let line = command_line(pid);
            let pid = Pid::from_raw(pid);
            found.push(Descendant { pid, line });
        }
    }
    found
}

/// The parent of a process that runs; nothing for one that has ended.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name is in parentheses and may have any other sign.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(parent)
}

fn command_line(pid: i32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&words).replace('\0', " ");
    line.trim_end().to_owned()
}
