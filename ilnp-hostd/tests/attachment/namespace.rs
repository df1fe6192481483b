//! Network namespaces, and what runs in them.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

/// A network namespace that goes away with this value.
pub(super) struct Namespace {
    pub(super) name: String,
}

impl Namespace {
    pub(super) fn new(what: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        assert!(
            nix::unistd::geteuid().is_root(),
            "this test must run as root: it makes network namespaces"
        );
        // What the daemon warns of is worth reading when a test fails.
        let _ = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_test_writer()
            .try_init();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ilnp-{what}-{}-{number}", std::process::id());
        run("ip", &["netns", "add", &name]);
        Self { name }
    }

    /// `ip ARGUMENTS` in the namespace.
    pub(super) fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.name];
        all.extend(arguments.split_whitespace());
        run("ip", &all)
    }

    /// What `ip ARGUMENTS` says in the namespace when it fails.
    pub(super) fn ip_error(&self, arguments: &str) -> String {
        let output = Command::new("ip")
            .args(["-n", &self.name])
            .args(arguments.split_whitespace())
            .output()
            .unwrap();
        assert!(!output.status.success(), "ip {arguments} succeeded");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs a program in the namespace.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let inside = ["netns", "exec", &self.name, program];
        run("ip", &[&inside, arguments].concat())
    }

    pub(super) fn start(&self, program: &str, arguments: &[&str]) -> Running {
        let child = Command::new("ip")
            .args(["netns", "exec", &self.name, program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Running(child)
    }

    /// Runs `test` in this namespace on a thread and a runtime of its own.
    pub(super) fn enter<T: Send>(&self, test: impl AsyncFnOnce() -> T + Send) -> T {
        let file = File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        let thread = move || {
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(test())
        };
        std::thread::scope(|scope| match scope.spawn(thread).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
    }
}

/// A program that ends with this value.
pub(super) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
