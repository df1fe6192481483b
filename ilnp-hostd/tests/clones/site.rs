//! What is seen of a host from outside, and what is done to it.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::daemon_net::{Net, handle};

/// Counts the packets that leave a site under the identifier.
pub(crate) struct Witness<'a> {
    net: &'a Net,
    host: &'a str,
}

impl<'a> Witness<'a> {
    /// Counts from now on.
    pub(crate) fn new(net: &'a Net, host: &'a str) -> Self {
        let nid = handle(host).rsplit_once("2627:").unwrap().1;
        net.text(
            "r",
            &format!(
                "nft 'add table ip6 {host}
                 add chain ip6 {host} seen {{ type filter hook prerouting priority -300; }}
                 add rule ip6 {host} seen iifname to-{host} ip6 saddr & ::ffff:ffff:ffff:ffff == ::{nid} counter'"
            ),
        );
        Self { net, host }
    }

    /// How many there were.
    pub(crate) fn packets(&self) -> u64 {
        let listed = self
            .net
            .text("r", &format!("nft -j list table ip6 {}", self.host));
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let entries = listed["nftables"].as_array().unwrap();
        let mut rules = entries
            .iter()
            .filter_map(|entry| entry["rule"]["expr"].as_array());
        let counter = rules
            .next()
            .unwrap()
            .iter()
            .find(|part| !part["counter"].is_null());
        counter.unwrap()["counter"]["packets"].as_u64().unwrap()
    }
}

/// A session between a host and the correspondent works.
#[track_caller]
pub(crate) fn session(net: &Net, host: &str) {
    let text = net.text(
        host,
        &format!("ping -6 -n -c 3 -i 0.2 -W 5 {}", handle("c")),
    );
    assert!(text.contains(" 0% packet loss"), "{text}");
}

/// Gives `b` the state of `a`.
pub(crate) fn copy_state(net: &Net) {
    let (from, to) = (
        net.directory("a").join("state"),
        net.directory("b").join("state"),
    );
    fs::create_dir_all(&to).unwrap();
    fs::copy(from.join("custody.json"), to.join("custody.json")).unwrap();
}

/// Makes the state of `b` that of a machine with another product UUID, as a disk has that was copied.
pub(crate) fn pretend_another_machine(net: &Net) {
    let path = net.directory("b").join("state/custody.json");
    let mut stored: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    stored["custody"]["machine"] = serde_json::json!({
        "machine_id": "another",
        "product_uuid": "another",
    });
    fs::write(path, stored.to_string()).unwrap();
}

/// Numbered lines from `a` to `c`, in one TCP connection between handles.
pub(crate) struct Stream {
    received: PathBuf,
    ends: [Child; 2],
}

impl Stream {
    /// Starts both ends.
    pub(crate) fn start(net: &Net) -> Self {
        let received = net.directory("c").join("received");
        let run = |host, line: String| {
            let mut command = net.command(host, "sh");
            command.args(["-c", &line]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            // The shell's own children end with it.
            command.process_group(0).spawn().unwrap()
        };
        let listen = format!(
            "exec socat -u TCP6-LISTEN:7000,bind=[{}] OPEN:{},creat",
            handle("c"),
            received.display()
        );
        let server = run("c", listen);
        let send = format!(
            "n=0; while :; do n=$((n+1)); echo $n; sleep 0.05; done | \
             socat -u - TCP6:[{}]:7000,bind=[{}],retry=20,interval=0.5",
            handle("c"),
            handle("a")
        );
        let client = run("a", send);
        Self {
            received,
            ends: [server, client],
        }
    }

    /// How many lines arrived.
    pub(crate) fn lines(&self) -> usize {
        fs::read_to_string(&self.received)
            .unwrap_or_default()
            .lines()
            .count()
    }

    /// Nothing is missing, and nothing came twice.
    #[track_caller]
    pub(crate) fn assert_whole(&self) {
        let text = fs::read_to_string(&self.received).unwrap();
        let whole = text.rsplit_once('\n').unwrap().0;
        for (number, line) in (1..).zip(whole.lines()) {
            assert_eq!(line, format!("{number}"));
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        for end in &mut self.ends {
            let group = Pid::from_raw(end.id().try_into().unwrap());
            let _ = killpg(group, Signal::SIGKILL);
            let _ = end.wait();
        }
    }
}
