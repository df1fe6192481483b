//! Moves that do not go well, and requests that make no sense.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{Changes, LIMIT, World};

/// Begins a move, so slow that there is time to do something in each phase, and waits for one.
fn moving(world: &World, from: &str, phase: &str) -> Child {
    let to = if from == "a" { "b" } else { "a" };
    let slow = ["--json", "move", "vm1", "--to", to, "--bandwidth", "24MiB"];
    let marker = format!("\"event\":\"phase\",\"phase\":\"{phase}\"");
    let mut child = world
        .prepared(from, &slow)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let found = lines.any(|line| line.unwrap().contains(&marker));
    assert!(found, "{marker} was not said\n{}", world.logs());
    // Whoever writes without a reader must not fail.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

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
    assert_eq!(first.wait().unwrap().code(), Some(1));
    let report = world.report("a");
    assert_eq!(report["reason"], "it was aborted", "{report}");
    world.comes_to_rest_at("a");
    for phase in ["prepare", "disks"] {
        let mut aborted = moving(&world, "a", phase);
        // It may have come further meanwhile, but not to its end.
        world.ok("a", &["abort", "vm1"]);
        assert_eq!(aborted.wait().unwrap().code(), Some(1), "{phase}");
        world.comes_to_rest_at("a");
    }
    // The operator of the target can, too.
    let mut aborted = moving(&world, "a", "memory");
    world.ok("b", &["abort", "vm1"]);
    assert_eq!(aborted.wait().unwrap().code(), Some(1));
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
        child.wait().unwrap();
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

fn wait_for_outcome(world: &World, site: &str) -> Value {
    let deadline = Instant::now() + LIMIT;
    loop {
        let report = world.report(site);
        if report["outcome"].is_string() || Instant::now() > deadline {
            return report;
        }
        sleep(Duration::from_millis(50));
    }
}
