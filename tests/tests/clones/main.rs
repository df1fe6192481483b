//! A virtual machine that is started twice from one saved state. Needs root, and QEMU.
//!
//! The guest runs Debian's cloud kernel 6.1, its daemon, and a program that sends numbered lines to a
//! correspondent over one TCP connection. Its two copies have different VM Generation IDs, as a
//! hypervisor gives them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod guest;
mod network;

use guest::{Guest, Saved};
use network::Network;
use serde_json::json;

const FIRST: &str = "11111111-2222-3333-4444-555555555555";
const SECOND: &str = "66666666-7777-8888-9999-aaaaaaaaaaaa";
const THIRD: &str = "bbbbbbbb-cccc-dddd-eeee-ffffffffffff";

#[test]
fn of_two_copies_of_a_machine_the_one_that_has_custody_keeps_the_session() {
    let network = Network::new();
    let image = guest::image(network.directory());
    let mut original = Guest::boot(&network, &image, "a", FIRST);
    original.wait_ready();
    let hello = json!({"hello": {"site": "a", "epoch": 1, "instance": "0a".repeat(16)}});
    assert_eq!(original.ask(hello)["hello"]["nid"], network::NID);
    original.run("/lab/lines &");
    network.wait_for_lines(20);
    let saved: Saved = original.save();

    // The hand-over that was planned: another run, a new epoch.
    let mut winner = Guest::restore(&network, &image, "b", SECOND, &saved);
    let resumed = json!({"resumed": {"site": "b", "epoch": 2, "instance": "0b".repeat(16)}});
    assert_eq!(winner.ask(resumed)["done"], json!({}));
    let before = network.lines();
    network.wait_for_lines(before + 20);
    assert_eq!(winner.status()["fenced"], json!(null));

    // The other run of the same state, of which no agent speaks. It is where the original was, with
    // its address and its sessions, and nothing but its Generation ID is against it.
    let loser = Guest::restore(&network, &image, "a", THIRD, &saved);
    let after = loser.wait_fenced();
    let status = loser.status();
    assert_eq!(status["fenced"]["kind"], "generation", "{status}");
    assert_eq!(status["ready"], false);
    let sent = network.packets_from("a");
    let before = network.lines();
    network.wait_for_lines(before + 40);
    assert_eq!(network.packets_from("a"), sent, "the loser is silent");
    assert_eq!(winner.status()["fenced"], json!(null));
    network.assert_whole();

    // An operator who reads the console gets it an identifier of its own.
    let renewed = loser.run("ilnp identity new");
    assert_eq!(renewed.status, 1);
    let text = String::from_utf8_lossy(&renewed.output).into_owned();
    assert!(text.contains("set in the configuration"), "{text}");
    println!("the loser was fenced {after:?} after its start");
}
