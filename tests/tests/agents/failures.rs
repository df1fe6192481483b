//! Moves that do not go well, and requests that make no sense.

use tests::relocation::world::{Changes, World, ilnp_relocate, moving, wait_for_outcome};

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let world = World::with_guest(&Changes {
        cpu_at_b: Some("qemu64,-cx16,+avx2"),
        ..Changes::default()
    });
    for (arguments, expected) in [
        (
            ["move", "vm9", "--to", "b"].as_slice(),
            "site a has no guest \"vm9\"",
        ),
        (
            &["move", "vm1", "--to", "c"],
            "site c is not known here: this is a, and its peers are b",
        ),
        (
            &["move", "vm1", "--to", "a"],
            "is to be moved to the site that it leaves",
        ),
        (&["start", "vm1"], "guest vm1 runs already"),
        (&["abort", "vm1"], "the guest is not being moved"),
        (
            &["move", "vm1", "--to", "b", "--max-downtime", "0"],
            "max-downtime is at least 1 ms",
        ),
        (&["status", "../vm1"], "has no guest \"../vm1\""),
        (&["prepare", "vm9", "--to", "b"], "has no guest \"vm9\""),
        (&["prepare", "vm1", "--to", "c"], "site c is not known here"),
        (
            &["prepare", "vm1", "--to", "b"],
            "it has no port to its daemon",
        ),
        // Another processor: both by a trial and by a move, before anything is copied.
        (&["move", "vm1", "--to", "b", "--dry-run"], "processor"),
        (&["move", "vm1", "--to", "b"], "processor"),
    ] {
        let told = world.refused("a", arguments);
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
    for (arguments, expected) in [
        (
            ["move", "vm1", "--to", "a"].as_slice(),
            "guest vm1 is not at site b",
        ),
        (&["start", "vm1"], "the guest is not at this site"),
    ] {
        let told = world.refused("b", arguments);
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
    let report = world.report("a");
    assert_eq!(report["outcome"], "failed", "{report}");
    assert_eq!(report["sent"]["copies"], 0, "{report}");
    world.comes_to_rest_at("a");
    world.check_disk("a");
}

#[test]
fn a_guest_is_new_only_when_every_site_says_so() {
    let mut world = World::new(&Changes::default());
    world.kill_agent("b");
    let told = world.refused("a", &["start", "vm1"]);
    assert!(told.contains("site b cannot be asked"), "{told}");
    world.start_agent("b");
    world.ok("a", &["start", "vm1"]);
    let told = world.refused("b", &["start", "vm1"]);
    assert!(told.contains("site a has it"), "{told}");
    world.comes_to_rest_at("a");
}

#[test]
fn a_second_operator_hears_of_the_first_and_each_phase_can_be_aborted() {
    let world = World::with_guest(&Changes::default());
    let mut first = moving(&world, "a", "memory");
    let told = world.refused("a", &["move", "vm1", "--to", "b"]);
    assert!(
        told.contains("is being moved to site b already, by relocation"),
        "{told}"
    );
    assert!(world.status("a")["relocation"]["relocation"].is_string());
    world.ok("a", &["abort", "vm1"]);
    assert_eq!(world.ended(&mut first), Some(1));
    let report = world.report("a");
    assert_eq!(report["reason"], "it was aborted", "{report}");
    world.comes_to_rest_at("a");
    for phase in ["prepare", "disks"] {
        let mut aborted = moving(&world, "a", phase);
        // It may have come further meanwhile, but not to its end.
        world.ok("a", &["abort", "vm1"]);
        assert_eq!(world.ended(&mut aborted), Some(1), "{phase}");
        world.comes_to_rest_at("a");
    }
    // The operator of the target can, too.
    let mut aborted = moving(&world, "a", "memory");
    world.ok("b", &["abort", "vm1"]);
    assert_eq!(world.ended(&mut aborted), Some(1));
    let report = world.report("a");
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains("it was aborted"), "{report}");
    world.comes_to_rest_at("a");
    world.check_disk("a");
}

#[test]
fn a_timeout_ends_what_takes_too_long() {
    let world = World::with_guest(&Changes::default());
    let told = world.refused(
        "a",
        &[
            "move",
            "vm1",
            "--to",
            "b",
            "--bandwidth",
            "1MiB",
            "--timeout",
            "3",
        ],
    );
    assert!(told.contains("longer than the timeout allows"), "{told}");
    world.comes_to_rest_at("a");
}

/// Kills the agents of `victims` in each phase of a move, and starts them again.
fn agree_after_the_death_of(victims: &[&str]) {
    let mut world = World::with_guest(&Changes::default());
    for phase in ["prepare", "disks", "memory", "stop", "stop", "stop"] {
        let from = world.comes_to_rest();
        let mut child = moving(&world, from, phase);
        for victim in victims {
            world.kill_agent(victim);
        }
        for victim in victims {
            world.start_agent(victim);
        }
        world.ended(&mut child);
        let site = world.comes_to_rest();
        let report = wait_for_outcome(&world, from);
        let expected = if site == from { "failed" } else { "moved" };
        assert_eq!(report["outcome"], expected, "{report}");
    }
    let site = world.comes_to_rest();
    world.check_disk(site);
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
fn all_agree_when_both_agents_were_killed() {
    agree_after_the_death_of(&["a", "b"]);
}

#[test]
fn a_guest_that_ends_while_it_is_copied_is_at_its_site_and_can_be_started_again() {
    let world = World::with_guest(&Changes::default());
    let mut child = moving(&world, "a", "memory");
    world.kill_qemu("a");
    assert_eq!(world.ended(&mut child), Some(1));
    let report = world.report("a");
    assert_eq!(report["outcome"], "failed", "{report}");
    assert_eq!(world.status("a")["running"], false);
    world.ok("a", &["start", "vm1"]);
    world.comes_to_rest_at("a");
}

#[test]
fn a_target_without_room_refuses_before_anything_is_copied() {
    let world = World::with_guest(&Changes {
        room: [None, Some(2)],
        ..Changes::default()
    });
    let told = world.refused("a", &["move", "vm1", "--to", "b", "--storage", "full"]);
    assert!(told.contains("site b says"), "{told}");
    assert_eq!(world.report("a")["sent"]["copies"], 0);
    world.comes_to_rest_at("a");
    world.check_disk("a");
}

#[test]
fn a_revoked_site_gets_nothing() {
    let world = World::with_guest(&Changes::default());
    let ca = world.path("ca");
    let revoked = std::process::Command::new(ilnp_relocate())
        .args(["pki", "revoke", ca.to_str().unwrap(), "b"])
        .output()
        .unwrap();
    assert!(revoked.status.success(), "{revoked:?}");
    let told = world.refused("a", &["move", "vm1", "--to", "b"]);
    assert!(told.contains("no connection with site b"), "{told}");
    assert_eq!(world.report("a")["sent"]["copies"], 0);
    world.comes_to_rest_at("a");
}
