//! Hosts whose programs ask systemd-resolved.

use std::fs;
use std::time::{Duration, Instant};

use ilnp_hostd::names::install::{Install, InstallError, Way, clean_up};

use nix::sys::signal::Signal;
use tests::machine::{Machine, sh, wait_for};

use crate::machine::{as_daemon, installation, state_dir, tend, upstream};
use crate::name_server::NameServer;

const PATIENCE: Duration = Duration::from_secs(5);

/// A machine with `eth0`, whose server is 2001:db8::53, and an ILNP interface.
struct Resolved {
    machine: Machine,
    daemon: usize,
    _stub: NameServer,
    _uplink: NameServer,
}

impl Resolved {
    fn start() -> Self {
        let mut machine = Machine::with(&["systemd-resolved"]).unwrap();
        let links = "ip link add eth0 type veth peer name site
            ip link set eth0 up; ip link set site up
            ip addr add 2001:db8::1/64 dev eth0 nodad
            ip addr add 2001:db8::53/64 dev site nodad
            ip link add ilnp0 type veth peer name daemon
            ip link set ilnp0 up; ip link set daemon up
            ip addr add fd69:6c6e:7000:2627::1/64 dev ilnp0 nodad";
        sh(links).unwrap();
        let daemon = machine.start_resolved().unwrap();
        sh("resolvectl dns eth0 2001:db8::53").unwrap();
        Self {
            machine,
            daemon,
            _stub: NameServer::start("[::1]:53", "stub"),
            _uplink: NameServer::start("[2001:db8::53]:53", "uplink"),
        }
    }

    fn kill(&mut self) {
        self.machine.process(self.daemon).signal(Signal::SIGKILL);
        let ended = self.machine.process(self.daemon).wait(PATIENCE);
        assert!(ended.is_some());
    }

    fn start_again(&mut self) {
        self.daemon = self.machine.start_resolved_alone().unwrap();
    }
}

/// Who answers programs that look `name` up.
fn answered_by(name: &str) -> &'static str {
    let line = format!("resolvectl flush-caches; resolvectl query --type=TXT {name}");
    let said = sh(&line).unwrap();
    if said.contains("\"stub\"") {
        return "stub";
    }
    assert!(said.contains("\"uplink\""), "{said}");
    "uplink"
}

#[test]
fn is_told_and_keeps_it() {
    let mut host = Resolved::start();
    assert_eq!(answered_by("a.test.example"), "uplink");
    let mut installation = installation(&host.machine, Install::Auto);
    let tended = tend(&mut installation);
    assert_eq!(tended.way, Some(Way::Resolved));
    assert_eq!(tended.upstreams, upstream("[2001:db8::53]:53"));
    assert!(tended.bypassed.is_empty());
    assert_eq!(answered_by("a.test.example"), "stub");
    // It keeps what it was told, and is told again when it forgets.
    host.kill();
    host.start_again();
    assert_eq!(answered_by("a.test.example"), "stub");
    sh("resolvectl revert ilnp0").unwrap();
    assert_eq!(answered_by("a.test.example"), "uplink");
    assert_eq!(tend(&mut installation), tended);
    assert_eq!(answered_by("a.test.example"), "stub");
    // The host moves.
    sh("resolvectl dns eth0 2001:db8:b::53").unwrap();
    assert_eq!(
        tend(&mut installation).upstreams,
        upstream("[2001:db8:b::53]:53")
    );
    sh("resolvectl dns eth0 2001:db8::53").unwrap();
    as_daemon(|| installation.undo()).unwrap();
    assert_eq!(answered_by("a.test.example"), "uplink");
    let link = fs::read_link("/etc/resolv.conf").unwrap();
    assert!(link.ends_with("stub-resolv.conf"), "never touched");
}

#[test]
fn a_daemon_that_died_takes_no_name_with_it() {
    let host = Resolved::start();
    let mut installation = installation(&host.machine, Install::Auto);
    tend(&mut installation);
    drop(installation);
    assert_eq!(answered_by("a.test.example"), "stub");
    // Nobody serves the interface any more: its carrier goes, and systemd-resolved leaves it out.
    sh("ip link set daemon down").unwrap();
    wait_for("the uplink's answers", || {
        answered_by("a.test.example") == "uplink"
    })
    .unwrap();
    clean_up(&state_dir(&host.machine)).unwrap();
    sh("ip link set daemon up").unwrap();
    assert_eq!(
        sh("resolvectl dns ilnp0")
            .unwrap()
            .trim()
            .matches("::1")
            .count(),
        0
    );
}

#[test]
fn an_interface_that_is_gone_took_its_settings_along() {
    let host = Resolved::start();
    let mut installation = installation(&host.machine, Install::Auto);
    tend(&mut installation);
    sh("ip link del ilnp0").unwrap();
    installation.undo().unwrap();
    assert_eq!(answered_by("a.test.example"), "uplink");
}

#[test]
fn search_domains_that_go_past_the_stub_resolver_are_told() {
    let host = Resolved::start();
    sh("resolvectl domain eth0 example.org").unwrap();
    let mut installation = installation(&host.machine, Install::Auto);
    assert_eq!(tend(&mut installation).bypassed, ["example.org"]);
    assert_eq!(answered_by("a.example.com"), "stub");
    assert_eq!(answered_by("a.example.org"), "uplink", "no more than told");
}

#[test]
fn the_stub_resolver_can_stand_in_front_of_it() {
    let host = Resolved::start();
    sh("resolvectl domain eth0 example.org").unwrap();
    let mut installation = installation(&host.machine, Install::ResolvConf);
    let tended = tend(&mut installation);
    assert_eq!(tended.way, Some(Way::ResolvConf));
    assert!(tended.bypassed.is_empty());
    // It reads a file that is not its own, and would ask the stub resolver that asks it.
    let said = sh("resolvectl query --type=TXT a.test.example; resolvectl dns").unwrap();
    assert!(said.contains("Global: ::1"), "{said}");
    assert_eq!(tended.upstreams, upstream("[2001:db8::53]:53"));
    assert_eq!(tend(&mut installation).upstreams, tended.upstreams);
    installation.undo().unwrap();
    let link = fs::read_link("/etc/resolv.conf").unwrap();
    assert!(link.ends_with("stub-resolv.conf"));
}

#[test]
fn one_that_does_not_run_is_waited_for() {
    let mut host = Resolved::start();
    host.kill();
    // Without the file that starts it when it is called.
    sh("rm /usr/share/dbus-1/system-services/org.freedesktop.resolve1.service").unwrap();
    let mut installation = installation(&host.machine, Install::Auto);
    let error = installation.tend(Instant::now()).unwrap_err();
    assert!(matches!(error, InstallError::NoResolved), "{error}");
    host.start_again();
    assert_eq!(tend(&mut installation).way, Some(Way::Resolved));
}
