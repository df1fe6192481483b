//! A virtual machine is moved between two sites by their agents, and its daemon is told. Needs root, and
//! QEMU.
//!
//! The guest runs Debian's cloud kernel 6.1, its daemon, and a program that sends numbered lines to a
//! correspondent over one TCP connection.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod agents;
mod convergence;
mod network;

use agents::{Agents, LONGEST};
use network::Network;
use serde_json::{Value, json};

/// What the guest tells after a move where no name servers are configured.
const TOLD: [&str; 3] = ["usable", "acknowledged", "all-acknowledged"];

/// The guest runs at a, and sends lines to its correspondent.
#[track_caller]
fn in_session(network: &Network) -> Agents<'_> {
    network.advertise("a");
    let agents = Agents::start(network);
    agents.ok("a", &["start", "vm1"]);
    agents.wait_ready("a");
    agents.in_guest("a", "/lab/lines &");
    network.wait_for_more_lines();
    agents
}

/// The events that the guest told of a move, in order, once the last has come.
#[track_caller]
fn told(agents: &Agents<'_>, site: &str) -> Vec<String> {
    let mut names = Vec::new();
    network::wait_for("everything is told", || {
        let report = agents.report(site);
        let told = report["told"].as_array().unwrap();
        names = told
            .iter()
            .map(|told| told["event"].as_str().unwrap().to_owned())
            .collect();
        names.len() >= TOLD.len()
    });
    names.sort_by_key(|name| TOLD.iter().position(|told| told == name));
    names
}

#[test]
fn a_guest_that_is_told_in_advance_needs_no_router_where_it_arrives() {
    let network = Network::new("told");
    let agents = in_session(&network);

    // No router advertises anything at b.
    agents.ok("a", &["move", "vm1", "--to", "b", "--soft"]);
    network.wait_for_more_lines();
    let report = agents.report("a");
    assert_eq!(report["outcome"], "moved", "{report}");
    assert_eq!(report["soft"], true, "{report}");
    assert_eq!(told(&agents, "a"), TOLD);
    network.wait_preferred("b");
    let status = agents.daemon("b", "status");
    assert_eq!(status["relocation"], Value::Null, "{status}");
    assert_eq!(status["fenced"], Value::Null, "{status}");

    // And back, with nothing said in advance: the announcement, a solicitation, the advertisement.
    agents.ok("b", &["move", "vm1", "--to", "a", "--hard"]);
    network.wait_for_more_lines();
    let report = agents.report("b");
    assert_eq!(
        (&report["outcome"], &report["soft"]),
        (&json!("moved"), &json!(false))
    );
    assert_eq!(told(&agents, "b"), TOLD);
    network.wait_preferred("a");

    // A move that is given up leaves all as it was: nobody sends to b, and the guest expects nothing.
    let mut moving = agents.begin(
        "a",
        &["move", "vm1", "--to", "b", "--soft", "--bandwidth", "4MiB"],
    );
    network::wait_for("the guest is told", || {
        agents.daemon("a", "status")["relocation"].is_object()
    });
    agents.ok("a", &["abort", "vm1"]);
    let ended = moving.wait(LONGEST).expect("a move that is aborted ends");
    assert!(!ended.success(), "{ended}");
    network::wait_for("the guest is told otherwise", || {
        agents.daemon("a", "status")["relocation"].is_null()
    });
    network.wait_preferred("a");
    network.wait_for_more_lines();
    assert_eq!(agents.report("a")["outcome"], "failed");

    // The next attempt is another one, for the agents and for the guest.
    agents.ok("a", &["move", "vm1", "--to", "b", "--soft"]);
    network.wait_for_more_lines();
    assert_eq!(told(&agents, "a"), TOLD);
    network.wait_preferred("b");
    network.assert_whole();
}

/// What the agent of a site says that the guest is prepared for.
fn prepared(agents: &Agents<'_>, site: &str) -> Value {
    let text = agents.ok(site, &["--json", "status", "vm1"]);
    serde_json::from_str::<Value>(&text).unwrap()["prepared"].take()
}

/// Waits until the guest at `a` expects this place, or none.
#[track_caller]
fn wait_expects(agents: &Agents<'_>, place: Option<&str>) {
    let wanted = place.map_or(Value::Null, |site| json!([format!("2001:db8:{site}::/64")]));
    network::wait_for("the guest knows where it will be", || {
        agents.daemon("a", "status")["relocation"]["locators"] == wanted
    });
}

#[test]
fn a_guest_is_prepared_for_a_move_that_comes_later_or_not_at_all() {
    let network = Network::new("later");
    let agents = in_session(&network);

    // The guest and its correspondent know, and nothing else is different.
    let said = agents.ok("a", &["prepare", "vm1", "--to", "b"]);
    assert!(said.contains("vm1 can be moved from a to b"), "{said}");
    assert!(said.contains("tells 1 correspondent"), "{said}");
    wait_expects(&agents, Some("b"));
    network.wait_known(&["a", "b"]);
    network.wait_for_more_lines();
    assert_eq!(agents.report("a"), Value::Null);
    let first = prepared(&agents, "a");
    assert_eq!(first["to"], "b", "{first}");

    // Taken back.
    agents.ok("a", &["abort", "vm1"]);
    assert_eq!(prepared(&agents, "a"), Value::Null);
    wait_expects(&agents, None);
    network.wait_known(&["a"]);
    let error = agents.refused("a", &["abort", "vm1"]);
    assert!(error.contains("is not being moved"), "{error}");

    // An agent that starts again takes back what the one before it prepared.
    agents.ok("a", &["prepare", "vm1", "--to", "b"]);
    wait_expects(&agents, Some("b"));
    agents.restart("a");
    assert_eq!(prepared(&agents, "a"), Value::Null);
    wait_expects(&agents, None);
    network.wait_for_more_lines();

    // Prepared twice, and moved: no router advertises anything at b.
    for _ in 0..2 {
        agents.ok("a", &["prepare", "vm1", "--to", "b"]);
    }
    wait_expects(&agents, Some("b"));
    agents.ok("a", &["move", "vm1", "--to", "b"]);
    network.wait_for_more_lines();
    let report = agents.report("a");
    assert_eq!(report["outcome"], "moved", "{report}");
    assert_eq!(report["soft"], true, "{report}");
    assert_eq!(told(&agents, "a"), TOLD);
    assert_eq!(prepared(&agents, "a"), Value::Null);
    network.wait_preferred("b");
    network.assert_whole();
}

#[test]
fn a_guest_whose_daemon_does_not_answer_is_moved_all_the_same() {
    let network = Network::new("deaf");
    network.advertise("b");
    let agents = in_session(&network);
    agents.in_guest("a", "killall -STOP ilnp-hostd");

    let error = agents.refused("a", &["move", "vm1", "--to", "b", "--soft"]);
    assert!(error.contains("did not answer"), "{error}");
    network.wait_for_more_lines();

    agents.ok("a", &["move", "vm1", "--to", "b"]);
    let report = agents.report("a");
    assert_eq!(report["outcome"], "moved", "{report}");
    assert_eq!(report["soft"], false, "{report}");
    let why = report["unprepared"].as_str().unwrap_or_default();
    assert!(why.contains("did not answer"), "{report}");
    agents.in_guest("b", "killall -CONT ilnp-hostd");
    network.wait_for_more_lines();
    network.wait_preferred("b");
    network.assert_whole();
}
