//! Operators move a guest of libvirt with the agents of two sites.

use super::site::DOMAIN;
use super::world::{World, said};

#[test]
fn one_command_moves_a_guest_there_and_back() {
    let world = World::with_guest();
    for (from, to) in [("a", "b"), ("b", "a")] {
        let tried = world.command(from, &["move", DOMAIN, "--to", to, "--dry-run"]);
        assert!(tried.status.success(), "{}", said(&tried));
        let moved = world.command(from, &["move", DOMAIN, "--to", to]);
        assert!(moved.status.success(), "{}\n{}", said(&moved), world.logs());
        assert_eq!(world.comes_to_rest(), to);
        let report = world.report(from);
        assert_eq!(report["outcome"], "moved", "{report}");
    }
    world.a.virsh(&["destroy", DOMAIN]);
    world.a.disk_is_whole();
}

#[test]
fn a_guest_is_told_over_the_port_of_its_definition() {
    let world = World::with_guest();
    let connected = |name: &str| {
        world.wait_for("the agent connects to the port", |world| {
            let ask = ["qemu-monitor-command", DOMAIN, "--hmp", "info chardev"];
            let devices = world.site(name).virsh(&ask);
            let port = devices
                .lines()
                .find(|line| line.starts_with("charchannel0:"));
            port.is_some_and(|port| !port.contains("disconnected"))
        });
    };
    connected("a");
    // Nobody answers in this guest: a move that insists on telling it is refused.
    let soft = world.command("a", &["move", DOMAIN, "--to", "b", "--soft"]);
    assert_eq!(soft.status.code(), Some(1));
    let reason = said(&soft);
    assert!(
        reason.contains("did not answer prepare") && reason.contains("org.ilnp.relocate.0"),
        "{reason}"
    );
    assert_eq!(world.comes_to_rest(), "a");
    let moved = world.command("a", &["move", DOMAIN, "--to", "b"]);
    assert!(moved.status.success(), "{}", said(&moved));
    connected("b");
}

#[test]
fn an_operator_of_either_site_aborts_a_move() {
    let world = World::with_guest();
    for (site, phase) in [("a", "disks"), ("b", "memory")] {
        let mut moving = world.moving("a", phase);
        let aborted = world.command(site, &["abort", DOMAIN]);
        assert!(aborted.status.success(), "{}", said(&aborted));
        assert_eq!(moving.wait().unwrap().code(), Some(1));
        assert_eq!(world.comes_to_rest(), "a");
        let report = world.report("a");
        assert_eq!(report["outcome"], "failed", "{report}");
        // From the other site, the end of the copy may be seen before its cause is heard.
        if site == "a" {
            assert_eq!(report["reason"], "it was aborted", "{report}");
        }
    }
    world.a.virsh(&["destroy", DOMAIN]);
    world.a.disk_is_whole();
}

/// Kills agents in each phase of a move, and starts them again.
fn agree_after_the_death_of(victims: &[&str]) {
    let mut world = World::with_guest();
    for phase in ["prepare", "disks", "memory", "stop"] {
        let from = world.comes_to_rest();
        let mut moving = world.moving(from, phase);
        for victim in victims {
            world.kill_agent(victim);
        }
        for victim in victims {
            world.start_agent(victim);
        }
        moving.wait().unwrap();
        let site = world.comes_to_rest();
        let expected = if site == from { "failed" } else { "moved" };
        world.wait_for("the report says what happened", |world| {
            world.report(from)["outcome"] == expected
        });
    }
    let site = world.site(world.comes_to_rest());
    site.virsh(&["destroy", DOMAIN]);
    site.disk_is_whole();
}

#[test]
fn all_agree_when_the_agent_of_the_source_was_killed() {
    agree_after_the_death_of(&["a"]);
}

#[test]
fn all_agree_when_the_agent_of_the_target_was_killed() {
    agree_after_the_death_of(&["b"]);
}

#[test]
fn the_target_says_what_is_missing_there() {
    let world = World::with_guest();
    let refused = |because: &str| {
        let moved = world.command("a", &["move", DOMAIN, "--to", "b"]);
        assert_eq!(moved.status.code(), Some(1));
        assert!(said(&moved).contains(because), "{}", said(&moved));
        world.a.goes_on();
    };
    std::fs::rename(world.b.base(), world.b.base().with_extension("gone")).unwrap();
    refused("base.raw");
    std::fs::rename(world.b.base().with_extension("gone"), world.b.base()).unwrap();
    std::fs::rename(world.b.overlay(), world.b.overlay().with_extension("gone")).unwrap();
    refused("qemu-img create");
    std::fs::rename(world.b.overlay().with_extension("gone"), world.b.overlay()).unwrap();
    world.b.virsh(&["undefine", DOMAIN]);
    refused("virsh define");
}
