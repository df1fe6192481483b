//! The daemon from start to end, in network namespaces. Needs root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod clones;
mod daemon_net;
mod relocation;

use std::process::Command;

use daemon_net::{Net, handle, is_private_socket, nid, wait_for};
use nix::sys::signal::Signal;

#[test]
fn starts_serves_and_stops_without_a_trace() {
    let net = Net::new("stop");
    let mut daemon = net.daemon("a");
    daemon.wait_ready();

    let status = net.json("a", "status");
    assert_eq!(status["schema"], 1);
    assert_eq!(status["nid"], nid("a"));
    assert_eq!(status["handle"], handle("a"));
    assert_eq!(status["interface"], "ilnp0");
    assert_eq!(status["correspondents"], 1);
    assert_eq!(status["locators"][0]["locator"], "2001:db8:a::/64");
    assert_eq!(status["locators"][0]["interface"], "eth0");
    assert_eq!(status["locators"][0]["state"], "active");
    assert!(is_private_socket(
        &net.directory("a").join("run/hostd.sock")
    ));

    let again = net.daemon_option("a", "--cleanup");
    let error = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(1));
    assert!(error.contains("answers on"), "{error}");

    assert!(daemon.end(Signal::SIGTERM));
    net.assert_clean("a");
    assert!(!net.directory("a").join("run").exists(), "made and removed");
}

#[test]
fn keeps_no_capability_that_it_does_not_need() {
    let net = Net::new("caps");
    let mut daemon = net.daemon("a");
    daemon.wait_ready();
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    // CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_PERFMON 38, CAP_BPF 39.
    let kept = format!("{:016x}", 1u64 << 12 | 1 << 13 | 1 << 38 | 1 << 39);
    for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
        assert_eq!(field(set), kept, "{set}");
    }
    for set in ["CapInh:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
}

#[test]
fn a_second_daemon_is_refused_and_changes_nothing() {
    let net = Net::new("second");
    let mut daemon = net.daemon("a");
    daemon.wait_ready();

    let same = net.daemon_option("a", "--record=/nonexistent/file");
    let error = String::from_utf8_lossy(&same.stderr);
    assert_eq!(same.status.code(), Some(1));
    assert!(error.contains("another daemon answers on"), "{error}");

    // The same interface, with a socket and pins of its own.
    let other = net.directory("a").join("other.toml");
    let text = std::fs::read_to_string(net.configure("a")).unwrap();
    let text = text
        .replace("run/hostd.sock", "other/hostd.sock")
        .replace("bpf/ilnp", "bpf/other");
    std::fs::write(&other, text).unwrap();
    let second = net
        .command("a", env!("CARGO_BIN_EXE_ilnp-hostd"))
        .arg("--config")
        .arg(&other)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{error}");
    assert!(error.contains("ilnp0"), "{error}");
    assert!(!net.directory("a").join("other").exists());
    assert!(!net.directory("a").join("bpf/other").exists());

    assert_eq!(net.json("a", "status")["ready"], true);
}

#[test]
fn a_killed_daemon_leaves_sessions_that_the_next_one_takes_over() {
    let net = Net::new("kill");
    let mut first = net.daemon("a");
    let mut peer = net.daemon("c");
    first.wait_ready();
    peer.wait_ready();
    let ping = |count: u32| {
        let line = format!("ping -6 -n -c {count} -i 0.2 -W 5 {}", handle("c"));
        net.text("a", &line)
    };
    ping(2);
    wait_for("the session is established", || {
        net.json("a", "correspondents")["correspondents"][0]["state"] == "established"
    });

    assert!(!first.end(Signal::SIGKILL));
    let without = ping(3);
    assert!(without.contains(" 0% packet loss"), "{without}");

    let mut second = net.daemon("a");
    second.wait_ready();
    let known = net.json("a", "correspondents");
    assert_eq!(
        known["correspondents"][0]["state"], "established",
        "{known}"
    );
    let with = ping(3);
    assert!(with.contains(" 0% packet loss"), "{with}");
    assert!(second.end(Signal::SIGTERM));
    net.assert_clean("a");
}

#[test]
fn cleanup_removes_what_a_killed_daemon_left() {
    let net = Net::new("cleanup");
    let mut daemon = net.daemon("a");
    daemon.wait_ready();
    daemon.end(Signal::SIGKILL);
    assert!(net.text("a", "ip -o link").contains("ilnp0"));
    for _ in 0..2 {
        let cleanup = net.daemon_option("a", "--cleanup");
        let error = String::from_utf8_lossy(&cleanup.stderr);
        assert!(cleanup.status.success(), "{error}");
        net.assert_clean("a");
    }
}

#[test]
fn a_daemon_whose_interface_is_removed_ends_and_says_so() {
    let net = Net::new("removed");
    let mut daemon = net.daemon("a");
    daemon.wait_ready();
    net.text("a", "ip link del ilnp0");
    assert!(!daemon.ended());
    let cleanup = net.daemon_option("a", "--cleanup");
    let error = String::from_utf8_lossy(&cleanup.stderr);
    assert!(cleanup.status.success(), "{error}");
    net.assert_clean("a");
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    let net = Net::new("failed");
    let path = net.configure("a");
    let text = std::fs::read_to_string(&path).unwrap();
    // The directory of the state is a file.
    std::fs::write(net.directory("a").join("file"), "").unwrap();
    std::fs::write(&path, text.replace("/state\"", "/file\"")).unwrap();
    let output = net
        .command("a", env!("CARGO_BIN_EXE_ilnp-hostd"))
        .arg("--config")
        .arg(&path)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("/file"), "{error}");
    net.assert_clean("a");
}

#[test]
fn sighup_takes_new_correspondents_and_keeps_the_old_configuration_when_the_new_one_is_wrong() {
    let net = Net::new("hup");
    let mut daemon = net.daemon("a");
    daemon.wait_ready();
    let path = net.directory("a").join("hostd.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}nonsense\n")).unwrap();
    daemon.signal(Signal::SIGHUP);
    let third =
        "[[correspondent]]\nname = \"d\"\nnid = \"2:1:1:1\"\nlocators = [\"2001:db8:d::/64\"]\n";
    std::fs::write(&path, format!("{text}{third}")).unwrap();
    daemon.signal(Signal::SIGHUP);
    wait_for("the new correspondent is known", || {
        net.json("a", "status")["correspondents"] == 2
    });
}

#[test]
fn a_missing_capability_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = directory.path().join("hostd.toml");
    std::fs::write(&configuration, "").unwrap();
    for (dropped, named) in [("net_admin", "CAP_NET_ADMIN"), ("bpf", "CAP_BPF")] {
        let output = Command::new("setpriv")
            .arg(format!("--bounding-set=-{dropped}"))
            .arg(env!("CARGO_BIN_EXE_ilnp-hostd"))
            .arg("--config")
            .arg(&configuration)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(
            error.contains(named) && error.contains("as root"),
            "{error}"
        );
    }
}
