//! A network namespace that lives as long as its owner.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, setns};

use crate::error::{Doing, LabError};
use crate::process;

/// Where `ip netns` keeps its namespaces.
pub(super) const FOLDER: &str = "/run/netns";
/// Where `ip netns exec` looks for what programs in a namespace are to see in `/etc`.
const ETC: &str = "/etc/netns";

/// A named network namespace; it is removed, with the programs left in it, when this is dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace with loopback up.
    ///
    /// # Errors
    /// [`LabError::Failed`] when `ip` refuses.
    pub fn create(name: String) -> Result<Self, LabError> {
        process::run(Command::new("ip").args(["netns", "add", &name]), "")?;
        let namespace = Self { name };
        namespace.ip(&["link set lo up"])?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs lines of `ip` commands in it, all or up to the first that fails.
    ///
    /// # Errors
    /// [`LabError::Failed`] with what `ip` said.
    pub fn ip<S: AsRef<str>>(&self, lines: &[S]) -> Result<(), LabError> {
        let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
        let batch = lines.join("\n");
        process::run(
            Command::new("ip").args(["-n", &self.name, "-batch", "-"]),
            &batch,
        )
        .map(drop)
        .map_err(|error| match error {
            LabError::Failed { status, output, .. } => LabError::Failed {
                command: format!("ip -n {} -batch -", self.name),
                status,
                output: format!("{output}\nin:\n{batch}"),
            },
            other => other,
        })
    }

    /// A command that will run a program inside, with the process number of that program.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]);
        command.arg(program);
        command
    }

    /// Sets values below `/proc/sys/net/ipv6/`.
    ///
    /// # Errors
    /// [`LabError::Failed`] when the kernel refuses one.
    pub fn sysctl(&self, settings: &[(&str, &str)]) -> Result<(), LabError> {
        let words = settings
            .iter()
            .map(|(key, value)| format!("net/ipv6/{key}={value}"));
        process::run(self.command("sysctl").arg("-q").arg("-w").args(words), "").map(drop)
    }

    /// Gives the programs that are started inside from now on a file of their own in `/etc`.
    ///
    /// # Errors
    /// [`LabError::Io`] when it cannot be written.
    pub fn set_etc(&self, file: &str, text: &str) -> Result<(), LabError> {
        let folder = Path::new(ETC).join(&self.name);
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join(file), text))
            .doing(|| format!("write {}", folder.join(file).display()))
    }

    /// Runs a function inside and waits for what it returns. Sockets that it makes stay in the
    /// namespace wherever they are used afterwards.
    ///
    /// # Errors
    /// [`LabError::Io`] when the namespace cannot be entered.
    pub fn inside<T: Send>(&self, task: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        let path = Path::new(FOLDER).join(&self.name);
        let file = File::open(&path).doing(|| format!("open {}", path.display()))?;
        // A thread of its own: entering a namespace is for good.
        let result = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&file, CloneFlags::CLONE_NEWNET)
                    .doing(|| format!("enter namespace {}", self.name))?;
                Ok(task())
            });
            thread.join()
        });
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.name) {
            tracing::warn!(name = self.name, %error, "cannot remove the namespace");
        }
    }
}

/// Ends every program in a namespace and removes it.
///
/// # Errors
/// [`LabError::Failed`] when `ip` refuses.
pub(crate) fn remove(name: &str) -> Result<(), LabError> {
    let pids = process::run(Command::new("ip").args(["netns", "pids", name]), "")?;
    for pid in String::from_utf8_lossy(&pids.stdout).split_whitespace() {
        if let Ok(pid) = pid.parse() {
            let pid = nix::unistd::Pid::from_raw(pid);
            // It may have ended between the two calls.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
    let etc = Path::new(ETC).join(name);
    if etc.exists() {
        std::fs::remove_dir_all(&etc).doing(|| format!("remove {}", etc.display()))?;
    }
    process::run(Command::new("ip").args(["netns", "delete", name]), "").map(drop)
}
