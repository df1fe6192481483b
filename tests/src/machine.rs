//! A machine whose configuration and network nobody else has: the calling thread in a mount and a
//! network namespace of its own, with packages in it that must not be installed on a real one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use experiments::process::{Process, output};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

/// What the resolvers of programs read.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";
/// What sends them to systemd-resolved.
pub const RESOLVED_STUB: &str = "../run/systemd/resolve/stub-resolv.conf";

const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);
/// What a command line may take.
const LONGEST: Duration = Duration::from_secs(120);

/// The machine. Its `/etc` and `/usr` begin as the real ones, its `/run` is empty, it has no
/// `/etc/resolv.conf`, and its network has nothing but a loopback interface. Programs and threads
/// that this thread starts are on it; it ends when this is dropped.
#[derive(Debug)]
pub struct Machine {
    /// Before the mounts, so that they are ended first.
    processes: Vec<Process>,
    mounts: Mounts,
}

/// Mounts in the order in which they were made; they go in the reverse order.
#[derive(Debug)]
struct Mounts {
    at: Vec<PathBuf>,
    directory: TempDir,
}

impl Machine {
    /// A machine with these packages, of those that `cargo xtask test` unpacks.
    ///
    /// # Errors
    /// When this is not run by root, or a package is not unpacked.
    pub fn with(packages: &[&str]) -> anyhow::Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "this test makes mount namespaces: run it as root"
        );
        let files: Vec<PathBuf> = packages
            .iter()
            .map(|name| unpacked(name))
            .collect::<anyhow::Result<_>>()?;
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
            .context("cannot make namespaces")?;
        let (none, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
        mount(none, "/", none, private, none).context("cannot make mounts private")?;
        let mut mounts = Mounts {
            at: Vec::new(),
            directory: tempfile::tempdir()?,
        };
        let directory = mounts.directory.path().to_owned();
        mounts.add("tmpfs", &directory, "")?;
        mounts.overlay("/usr", &files)?;
        mounts.overlay("/etc", &files)?;
        mounts.add("tmpfs", Path::new("/run"), "mode=0755")?;
        if fs::symlink_metadata(RESOLV_CONF).is_ok() {
            fs::remove_file(RESOLV_CONF)?;
        }
        sh("ip link set lo up")?;
        Ok(Self {
            processes: Vec::new(),
            mounts,
        })
    }

    /// A directory of its own, which ends with it.
    pub fn directory(&self) -> &Path {
        self.mounts.directory.path()
    }

    /// Mounts a BPF file system in its directory, and returns where a daemon may keep its pins.
    ///
    /// # Errors
    /// When the kernel has none.
    pub fn mount_bpf(&mut self) -> anyhow::Result<PathBuf> {
        let at = self.directory().join("bpf");
        fs::create_dir(&at)?;
        self.mounts.add("bpf", &at, "")?;
        Ok(at.join("ilnp"))
    }

    /// Starts a program that ends with the machine, and returns its place among those.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&mut self, name: &str, command: &mut Command) -> anyhow::Result<usize> {
        let log = self.directory().join(format!("{name}.log"));
        command.stdin(Stdio::null());
        self.processes.push(Process::start(name, command, &log)?);
        Ok(self.processes.len() - 1)
    }

    /// The program that was started as this one.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn process(&mut self, place: usize) -> &mut Process {
        &mut self.processes[place]
    }

    /// Starts a message bus, systemd-resolved, and sends programs there. Returns the place of
    /// systemd-resolved among the programs.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn start_resolved(&mut self) -> anyhow::Result<usize> {
        sh("grep -q ^systemd-resolve: /etc/passwd || {
                echo systemd-resolve:x:990:990::/:/usr/sbin/nologin >> /etc/passwd
                echo systemd-resolve:x:990: >> /etc/group
            }
            mkdir -p /run/dbus /run/systemd/resolve
            chown systemd-resolve:systemd-resolve /run/systemd/resolve")?;
        link_to(RESOLVED_STUB)?;
        let bus = ["--system", "--nofork", "--nopidfile", "--nosyslog"];
        self.start("dbus-daemon", Command::new("dbus-daemon").args(bus))?;
        let socket = Path::new("/run/dbus/system_bus_socket");
        wait_for("the message bus", || socket.exists())?;
        self.start_resolved_alone()
    }

    /// Starts systemd-resolved where the rest is there.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_resolved_alone(&mut self) -> anyhow::Result<usize> {
        let mut command = Command::new("/usr/lib/systemd/systemd-resolved");
        let place = self.start("systemd-resolved", &mut command)?;
        wait_for("systemd-resolved", || sh("resolvectl status").is_ok())?;
        Ok(place)
    }
}

impl Mounts {
    fn add(&mut self, kind: &str, at: &Path, options: &str) -> anyhow::Result<()> {
        mount(Some(kind), at, Some(kind), MsFlags::empty(), Some(options))
            .with_context(|| format!("cannot mount {kind} at {}", at.display()))?;
        self.at.push(at.to_owned());
        Ok(())
    }

    /// Puts the files of packages over `path`; what is written there stays here.
    fn overlay(&mut self, path: &str, packages: &[PathBuf]) -> anyhow::Result<()> {
        let name = path.trim_start_matches('/');
        let place = |kind: &str| -> anyhow::Result<String> {
            let place = self.directory.path().join(kind).join(name);
            fs::create_dir_all(&place)?;
            Ok(place.display().to_string())
        };
        let (upper, work) = (place("upper")?, place("work")?);
        let files = packages.iter().map(|files| files.join(name));
        let lower: Vec<String> = files
            .filter(|files| files.exists())
            .chain([path.into()])
            .map(|files| files.display().to_string())
            .collect();
        let lower = lower.join(":");
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        self.add("overlay", Path::new(path), &options)
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for at in self.at.iter().rev() {
            // What is still in use goes with the namespace.
            let _ = umount2(at, MntFlags::MNT_DETACH);
        }
    }
}

fn unpacked(package: &str) -> anyhow::Result<PathBuf> {
    let target = crate::program("").join("..");
    let files = target.join("unpacked").join(package);
    let files = fs::canonicalize(&files);
    files.with_context(|| {
        format!("the package {package} is not unpacked: run `cargo xtask test` once")
    })
}

/// Runs a command line, and returns what it prints.
///
/// # Errors
/// With what it says, when it fails.
pub fn sh(line: &str) -> anyhow::Result<String> {
    let output = output(Command::new("sh").args(["-ec", line]), "", LONGEST)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {}", errors.trim());
    Ok(String::from_utf8(output.stdout)?)
}

/// Asks `done` again and again until it agrees.
///
/// # Errors
/// When it does not within 15 seconds.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    while !done() {
        ensure!(Instant::now() < end, "waited in vain: {what}");
        sleep(POLL);
    }
    Ok(())
}

/// Makes `/etc/resolv.conf` a link.
///
/// # Errors
/// When it cannot be made.
pub fn link_to(target: &str) -> anyhow::Result<()> {
    if fs::symlink_metadata(RESOLV_CONF).is_ok() {
        fs::remove_file(RESOLV_CONF)?;
    }
    Ok(symlink(target, RESOLV_CONF)?)
}
