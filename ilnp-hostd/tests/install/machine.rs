//! A machine whose configuration nobody else has.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use ilnp_hostd::capabilities;
use ilnp_hostd::names::install::{Install, InstallError, Installation, Settings, Tended};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";
const PATIENCE: Duration = Duration::from_secs(15);

/// The calling thread, and the programs that it starts, in a mount and a network namespace.
pub(crate) struct Machine {
    directory: tempfile::TempDir,
    mounts: Vec<PathBuf>,
    children: Vec<Child>,
}

impl Machine {
    /// A machine with these packages, of those that are unpacked and not installed.
    pub(crate) fn with(packages: &[&str]) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "this test makes mount namespaces: run it as root"
        );
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        let mut machine = Self {
            directory: tempfile::tempdir().unwrap(),
            mounts: Vec::new(),
            children: Vec::new(),
        };
        let directory = machine.directory.path().to_owned();
        machine.mount("tmpfs", &directory, "");
        let files: Vec<PathBuf> = packages.iter().map(|name| unpacked(name)).collect();
        machine.overlay("/usr", &files);
        machine.overlay("/etc", &files);
        machine.mount("tmpfs", Path::new("/run"), "mode=0755");
        let _ = fs::remove_file(RESOLV_CONF);
        sh("ip link set lo up");
        machine
    }

    /// A machine that has nothing but files.
    pub(crate) fn plain() -> Self {
        Self::with(&[])
    }

    fn mount(&mut self, kind: &str, at: &Path, options: &str) {
        let flags = MsFlags::empty();
        mount(Some(kind), at, Some(kind), flags, Some(options))
            .unwrap_or_else(|error| panic!("mount {kind} at {}: {error}", at.display()));
        self.mounts.push(at.to_owned());
    }

    /// Puts the files of packages over `path`; what is written stays here.
    fn overlay(&mut self, path: &str, packages: &[PathBuf]) {
        let name = path.trim_start_matches('/');
        let place = |kind: &str| {
            let place = self.directory.path().join(kind).join(name);
            fs::create_dir_all(&place).unwrap();
            place.display().to_string()
        };
        let (upper, work) = (place("upper"), place("work"));
        let lower: Vec<String> = packages
            .iter()
            .map(|files| files.join(name))
            .filter(|files| files.exists())
            .map(|files| files.display().to_string())
            .chain([path.to_owned()])
            .collect();
        let options = format!(
            "lowerdir={},upperdir={upper},workdir={work}",
            lower.join(":")
        );
        self.mount("overlay", Path::new(path), &options);
    }

    /// Starts a program that lives as long as the machine; its number among those.
    pub(crate) fn start(&mut self, command: &mut Command) -> usize {
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        self.children.push(child);
        self.children.len() - 1
    }

    /// Kills a program.
    pub(crate) fn kill(&mut self, number: usize) {
        self.children[number].kill().unwrap();
        self.children[number].wait().unwrap();
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn installation(&self, install: Install) -> Installation {
        self.try_installation(install).unwrap()
    }

    pub(crate) fn try_installation(&self, install: Install) -> Result<Installation, InstallError> {
        Installation::new(Settings {
            install,
            listen: vec!["[::1]:53".parse().unwrap()],
            interface: "ilnp0".to_owned(),
            state_dir: self.state_dir(),
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        for at in self.mounts.iter().rev() {
            let _ = umount2(at, MntFlags::MNT_DETACH);
        }
    }
}

fn unpacked(package: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    // target/debug/deps/install-0123
    let target = program.ancestors().nth(3).unwrap();
    let files = target.join("unpacked").join(package);
    assert!(
        files.exists(),
        "{} is missing: run `cargo xtask test` once",
        files.display()
    );
    files
}

/// Runs a command line, and returns what it prints.
#[track_caller]
pub(crate) fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-ec", line]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Asks `done` again and again until it agrees.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Does `work` with no more rights than the daemon keeps.
pub(crate) fn as_daemon<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    // Rights belong to threads: this one keeps its own, and the new one is in the same namespaces.
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            capabilities::keep_needed_only().unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

/// Tends it as the daemon does.
#[track_caller]
pub(crate) fn tend(installation: &mut Installation) -> Tended {
    as_daemon(|| installation.tend(Instant::now())).unwrap()
}

pub(crate) fn upstream(text: &str) -> Vec<SocketAddr> {
    vec![text.parse().unwrap()]
}

pub(crate) fn write(text: &str) {
    fs::write(RESOLV_CONF, text).unwrap();
}

pub(crate) fn link_to(target: &str) {
    let _ = fs::remove_file(RESOLV_CONF);
    symlink(target, RESOLV_CONF).unwrap();
}

pub(crate) fn text() -> String {
    fs::read_to_string(RESOLV_CONF).unwrap()
}

/// Whom the resolvers of programs ask.
pub(crate) fn asked() -> Vec<String> {
    text()
        .lines()
        .filter_map(|line| line.strip_prefix("nameserver "))
        .map(str::to_owned)
        .collect()
}
