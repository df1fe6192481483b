//! Copies of a host, as whole daemons in network namespaces. Needs root.
//!
//! `b` is a copy of `a` at another site, `c` their correspondent.

pub(crate) mod agent;
pub(crate) mod site;

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use self::agent::Agent;
use self::site::{Witness, copy_state, session};
use crate::daemon_net::{Net, handle, nid, wait_for};

const INSTANCE_A: &str = "0000000000000000000000000000000a";
const INSTANCE_B: &str = "0000000000000000000000000000000b";

fn kind(net: &Net, host: &str) -> Option<String> {
    Some(
        net.json(host, "status")["fenced"]["kind"]
            .as_str()?
            .to_owned(),
    )
}

#[test]
fn a_copy_of_the_state_is_fenced_and_the_original_keeps_its_session() {
    let net = Net::new("copy");
    let (mut agent_a, mut agent_b) = (Agent::new(&net, "a"), Agent::new(&net, "b"));
    let (mut a, mut c) = (net.daemon("a"), net.daemon("c"));
    a.wait_ready();
    c.wait_ready();
    agent_a.meet();
    let hello = |instance| json!({"hello": {"site": "s", "epoch": 1, "instance": instance}});
    assert_eq!(agent_a.ask(hello(INSTANCE_A))["hello"]["nid"], nid("a"));
    session(&net, "a");

    copy_state(&net);
    let witness = Witness::new(&net, "b");
    let b = net.daemon("b");
    agent_b.meet();
    let refused = agent_b.ask(hello(INSTANCE_B));
    let reason = refused["error"]["reason"].as_str().unwrap();
    assert!(reason.contains("another copy of this guest"), "{refused}");
    assert_eq!(kind(&net, "b").as_deref(), Some("instance"));
    let sent = witness.packets();
    net.sh("b", &format!("ping -6 -n -c 3 -i 0.2 -W 1 {}", handle("c")));
    session(&net, "a");
    assert_eq!(witness.packets(), sent, "the copy is silent");
    assert_eq!(kind(&net, "a"), None);
    drop(b);
}

#[test]
fn the_loser_goes_silent_at_once_and_its_session_goes_on_when_it_is_granted_custody() {
    let net = Net::new("fence");
    let mut agent = Agent::new(&net, "a");
    let (mut a, mut c) = (net.daemon("a"), net.daemon("c"));
    a.wait_ready();
    c.wait_ready();
    agent.meet();
    agent.ask(json!({"hello": {"site": "s", "epoch": 1, "instance": INSTANCE_A}}));
    let stream = site::Stream::start(&net);
    wait_for("the stream flows", || stream.lines() > 10);

    let witness = Witness::new(&net, "a");
    let begun = Instant::now();
    let done = agent.ask(json!({"fence": {"epoch": 2, "reason": "it was moved to b"}}));
    assert_eq!(done["done"], json!({}));
    let sent = witness.packets();
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    let status = net.json("a", "status");
    assert_eq!(status["ready"], false);
    let reason = status["fenced"]["reason"].as_str().unwrap();
    assert!(reason.contains("it was moved to b"), "{status}");
    let address = format!(
        "2001:db8:a::{}",
        handle("a").rsplit_once("2627:").unwrap().1
    );
    wait_for("the address is withdrawn", || {
        !net.text("a", "ip -6 -o addr show dev eth0")
            .contains(&address)
    });
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(witness.packets(), sent, "not a packet more");
    let refused = agent.ask(json!({"hello": {"site": "s", "epoch": 2, "instance": INSTANCE_A}}));
    assert!(
        refused["error"]["reason"]
            .as_str()
            .unwrap()
            .contains("fenced"),
        "{refused}"
    );

    let prepare = json!({"prepare": {"epoch": 3, "site": "b", "locators": ["2001:db8:b::/64"], "router": "fe80::1"}});
    let refused = agent.ask(prepare);
    assert!(
        refused["error"]["reason"]
            .as_str()
            .unwrap()
            .contains("fenced"),
        "{refused}"
    );

    let before = stream.lines();
    let granted = json!({"resumed": {"site": "s", "epoch": 3, "instance": INSTANCE_B}});
    assert_eq!(agent.ask(granted)["done"], json!({}));
    wait_for("the same connection goes on", || {
        stream.lines() > before + 10
    });
    assert_eq!(kind(&net, "a"), None);
    stream.assert_whole();
}

#[test]
fn a_copied_disk_is_silent_until_an_operator_decides() {
    let net = Net::new("disk");
    let mut a = net.daemon("a");
    a.wait_ready();
    let output = net.ilnp("a", &["identity", "keep"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains("not fenced"),
        "{error}"
    );
    copy_state(&net);
    site::pretend_another_machine(&net);

    let witness = Witness::new(&net, "b");
    for signal in [Signal::SIGKILL, Signal::SIGKILL, Signal::SIGTERM] {
        let b = net.daemon("b");
        wait_for("the copy is fenced", || {
            kind(&net, "b").as_deref() == Some("machine")
        });
        let status = net.ilnp("b", &["status"]);
        let text = String::from_utf8_lossy(&status.stdout);
        let error = String::from_utf8_lossy(&status.stderr);
        assert_eq!(status.status.code(), Some(1));
        assert!(text.contains("no: fenced"), "{text}");
        assert!(error.contains("ilnp identity keep"), "{error}");
        b.end(signal);
    }
    let b = net.daemon("b");
    wait_for("the host can be reached by another address", || {
        let addresses = net.text("b", "ip -6 -o addr show dev eth0 scope global");
        let other = addresses
            .split_whitespace()
            .find_map(|word| word.strip_suffix("/64"));
        other.is_some_and(|other| {
            net.sh("c", &format!("ping -6 -n -c 1 -W 1 {other}"))
                .status
                .success()
        })
    });
    assert_eq!(witness.packets(), 0);
    assert!(net.ilnp("b", &["identity", "keep"]).status.success());
    wait_for("the copy uses the identifier", || {
        net.json("b", "status")["ready"] == true
    });
    assert!(b.end(Signal::SIGKILL) || net.daemon_option("b", "--cleanup").status.success());
}

#[test]
fn a_new_identifier_is_taken_on_demand_and_for_an_image() {
    let net = Net::new("new");
    let daemon = net.daemon("a");
    wait_for("the daemon answers", || {
        net.json("a", "status")["schema"] == 1
    });
    let output = net.ilnp("a", &["identity", "new"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("set in the configuration"), "{error}");
    assert!(daemon.end(Signal::SIGTERM));

    let mut seen = Vec::new();
    for _ in 0..3 {
        let daemon = net.daemon_without_nid("a");
        wait_for("the daemon answers", || {
            net.json("a", "status")["schema"] == 1
        });
        seen.push(net.json("a", "status")["nid"].as_str().unwrap().to_owned());
        let output = net.ilnp("a", &["identity", "new"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        assert!(daemon.ended());
        net.assert_clean("a");
    }
    seen.dedup();
    assert_eq!(seen.len(), 3, "{seen:?}");

    let daemon = net.daemon_without_nid("a");
    wait_for("the daemon answers", || {
        net.json("a", "status")["schema"] == 1
    });
    let refused = net.daemon_option("a", "--forget-identity");
    assert_eq!(refused.status.code(), Some(1), "while it runs");
    assert!(daemon.end(Signal::SIGTERM));
    for _ in 0..2 {
        let sealed = net.daemon_option("a", "--forget-identity");
        assert!(
            sealed.status.success(),
            "{}",
            String::from_utf8_lossy(&sealed.stderr)
        );
        let state = net.directory("a").join("state");
        assert!(!state.join("identity.json").exists());
        assert!(!state.join("custody.json").exists());
    }
}
