//! The daemon itself: what it does to the host's own resolver, and that it is undone however the
//! daemon ends.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tests::machine::{Machine, sh, wait_for};

use crate::machine::{asked, plain, text, write};
use crate::name_server::NameServer;

const PROVIDER: &str = "# by DHCP\nnameserver 2001:db8::53\n";
const PATIENCE: Duration = Duration::from_secs(10);

struct Host {
    machine: Machine,
    config: PathBuf,
    daemon: Option<usize>,
    _provider: NameServer,
}

impl Host {
    fn new() -> Self {
        let mut machine = plain();
        sh("ip link add eth0 type veth peer name site
            ip link set eth0 up; ip link set site up
            ip addr add 2001:db8::1/64 dev eth0 nodad
            ip addr add 2001:db8::53/64 dev site nodad")
        .unwrap();
        write(PROVIDER);
        let pins = machine.mount_bpf().unwrap();
        let directory = machine.directory().display();
        let text = format!(
            "state-dir = \"{directory}/state\"\n\
             control-socket = \"{directory}/hostd.sock\"\n\
             pin-dir = \"{}\"\n",
            pins.display()
        );
        let config = machine.directory().join("hostd.toml");
        fs::write(&config, text).unwrap();
        let host = Self {
            machine,
            config,
            daemon: None,
            _provider: NameServer::start("[2001:db8::53]:53", "provider"),
        };
        host.configure("[resolver]\n");
        host
    }

    /// Puts this at the end of the configuration.
    fn configure(&self, more: &str) {
        let text = fs::read_to_string(&self.config).unwrap();
        let text = text.split("[resolver]").next().unwrap().to_owned() + more;
        fs::write(&self.config, text).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(tests::program("ilnp-hostd"));
        command.arg("--config").arg(&self.config);
        command
    }

    fn start(&mut self) {
        let mut command = self.command();
        self.daemon = Some(self.machine.start("ilnp-hostd", &mut command).unwrap());
    }

    /// Starts it and waits until it answers programs.
    fn start_and_wait(&mut self) {
        self.start();
        let log = self.machine.directory().join("ilnp-hostd.log");
        wait_for("the stub resolver in /etc/resolv.conf", || {
            asked() == ["::1"]
        })
        .unwrap_or_else(|error| panic!("{error}: {}", fs::read_to_string(log).unwrap()));
    }

    fn end(&mut self, signal: Signal) {
        let daemon = self.machine.process(self.daemon.take().unwrap());
        daemon.signal(signal);
        assert!(daemon.wait(PATIENCE).is_some(), "it goes on after {signal}");
    }
}

/// What programs get for a name.
fn answer() -> String {
    sh("dig +short +tries=1 +time=3 any.example TXT").unwrap()
}

#[test]
fn a_stop_undoes_it() {
    let mut host = Host::new();
    host.start_and_wait();
    assert_eq!(answer(), "\"provider\"\n", "asked as it was before");
    host.end(Signal::SIGTERM);
    assert_eq!(text(), PROVIDER);
    assert_eq!(answer(), "\"provider\"\n");
}

#[test]
fn the_start_after_a_crash_undoes_it_whatever_is_configured_now() {
    let mut host = Host::new();
    host.start_and_wait();
    host.end(Signal::SIGKILL);
    assert_eq!(asked(), ["::1"]);
    // It takes over, and the provider is still known.
    host.start_and_wait();
    wait_for("an answer", || answer() == "\"provider\"\n").unwrap();
    host.end(Signal::SIGKILL);
    host.configure("");
    host.start();
    wait_for("the original", || text() == PROVIDER).unwrap();
    host.end(Signal::SIGTERM);
    assert_eq!(text(), PROVIDER);
}

#[test]
fn a_cleanup_after_a_crash_undoes_it() {
    let mut host = Host::new();
    host.start_and_wait();
    host.end(Signal::SIGKILL);
    assert_eq!(asked(), ["::1"]);
    let cleanup = host.command().arg("--cleanup").output().unwrap();
    let errors = String::from_utf8_lossy(&cleanup.stderr);
    assert!(cleanup.status.success(), "{errors}");
    assert_eq!(text(), PROVIDER);
    assert_eq!(answer(), "\"provider\"\n");
}

#[test]
fn a_new_provider_is_asked_at_once() {
    let mut host = Host::new();
    host.start_and_wait();
    sh("ip addr add 2001:db8::54/64 dev site nodad").unwrap();
    let _other = NameServer::start("[2001:db8::54]:53", "other");
    // A DHCP client after a move.
    write("nameserver 2001:db8::54\n");
    let written = Instant::now();
    wait_for("the other provider's answers", || {
        asked() == ["::1"] && answer() == "\"other\"\n"
    })
    .unwrap();
    // Until then programs look names up past the daemon. It would find out by itself every five
    // seconds.
    assert!(written.elapsed() < Duration::from_secs(3));
    host.end(Signal::SIGTERM);
    assert_eq!(text(), "nameserver 2001:db8::54\n");
}
