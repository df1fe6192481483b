//! What these tests do on a machine.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use ilnp_hostd::capabilities;
use ilnp_hostd::names::install::{Install, InstallError, Installation, Settings, Tended};
use tests::machine::{Machine, RESOLV_CONF};

pub(crate) fn plain() -> Machine {
    Machine::with(&[]).unwrap()
}

pub(crate) fn state_dir(machine: &Machine) -> PathBuf {
    machine.directory().join("state")
}

pub(crate) fn installation(machine: &Machine, install: Install) -> Installation {
    try_installation(machine, install).unwrap()
}

pub(crate) fn try_installation(
    machine: &Machine,
    install: Install,
) -> Result<Installation, InstallError> {
    Installation::new(Settings {
        install,
        listen: vec!["[::1]:53".parse().unwrap()],
        interface: "ilnp0".to_owned(),
        state_dir: state_dir(machine),
    })
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
