//! A guest that changes its memory faster than it can be copied.

use serde_json::Value;

use crate::agents::LONGEST;
use crate::network::{self, Network};
use crate::{in_session, wait_expects};

/// Changes 48 MiB of memory again and again, as fast as the guest can.
const BUSY: &str = "dirty-memory & echo $! >/pid";
/// A rate at which every pass takes seconds, of which a guest that is slowed down to a hundredth uses
/// some, and a stop in which next to nothing can be sent.
const LIMITS: [&str; 4] = ["--bandwidth", "16MiB", "--max-downtime", "1"];

#[test]
fn a_guest_that_never_converges_stays_where_it_is_at_full_speed() {
    let network = Network::new("busy");
    network.advertise("b");
    let agents = in_session(&network);
    agents.in_guest("a", BUSY);

    let order = [&["move", "vm1", "--to", "b"], &LIMITS[..]].concat();
    let told = agents.refused("a", &order);
    assert!(told.contains("does not converge"), "{told}");
    assert!(told.contains("allow a longer stop"), "{told}");
    let throttle = told.split("slowed down by ").nth(1).unwrap();
    assert_ne!(throttle.split(' ').next(), Some("0"), "{told}");
    let report = agents.report("a");
    assert_eq!(report["outcome"], "failed", "{report}");
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains("does not converge"), "{report}");

    // It goes on where it was, and nobody expects it anywhere else.
    network.wait_for_more_lines();
    wait_expects(&agents, None);
    network.wait_known(&["a"]);
    let text = agents.ok("b", &["--json", "status", "vm1"]);
    let there: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(there["running"], false, "{there}");

    // The next copy finds a guest that nothing slows down: QEMU tells what is left of the last one.
    let mut again = agents.begin("a", &[&["--json"], &order[..]].concat());
    network::wait_for("a guest at full speed is copied", || {
        agents.begun().contains("\"throttle\":0}")
    });
    agents.ok("a", &["abort", "vm1"]);
    let ended = again.wait(LONGEST).expect("a move that is aborted ends");
    assert!(!ended.success(), "{ended}");

    // Once it has less to do, the same guest moves, with its session.
    agents.in_guest("a", "kill $(cat /pid)");
    agents.ok("a", &["move", "vm1", "--to", "b"]);
    network.wait_for_more_lines();
    network.wait_preferred("b");
    network.assert_whole();
}
