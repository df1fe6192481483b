//! Moves that go well.

use std::time::{Duration, Instant};

use serde_json::Value;

use tests::relocation::world::{Changes, World};

#[test]
fn a_guest_goes_there_and_back_with_its_disk() {
    let world = World::with_guest(&Changes::default());
    let lines = world.ok("a", &["--json", "move", "vm1", "--to", "b"]);
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.first().unwrap()["event"], "begun");
    let report = &lines.last().unwrap()["report"];
    assert_eq!(report["outcome"], "moved", "{report}");
    let phases = report["phases"].as_array().unwrap();
    let phases: Vec<_> = phases.iter().map(|times| times["phase"].clone()).collect();
    assert_eq!(phases, ["prepare", "disks", "memory", "stop", "resume"]);
    assert!(
        report["sent"]["memory"].as_u64().unwrap() > 1 << 20,
        "{report}"
    );
    assert!(report["downtime_ms"].as_f64().unwrap() > 0.0, "{report}");
    assert!(
        report["stopped_ms"].as_f64().unwrap() < 10_000.0,
        "{report}"
    );
    world.comes_to_rest_at("b");
    assert_eq!(world.report("a")["outcome"], "moved");
    let table = world.ok("a", &["report", "vm1"]);
    assert!(table.contains("vm1 moved from a to b"), "{table}");
    world.ok("b", &["move", "vm1", "--to", "a", "--bandwidth", "64MiB"]);
    world.comes_to_rest_at("a");
    assert_eq!(world.status("a")["epoch"], 3);
    world.check_disk("a");
}

#[test]
fn moves_leave_no_connections_behind() {
    let world = World::with_guest(&Changes::default());
    for (from, to) in [("a", "b"), ("b", "a"), ("a", "b"), ("b", "a")] {
        world.ok(from, &["move", "vm1", "--to", to]);
        world.comes_to_rest_at(to);
    }
    // By the last one the guest tells what became of it.
    let end = Instant::now() + Duration::from_secs(30);
    while connections(&world) > 1 {
        assert!(Instant::now() < end, "{} connections", connections(&world));
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// How many connections of agents stand.
fn connections(world: &World) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp6").unwrap();
    let ports = ["a", "b"].map(|site| format!(":{:04X}", world.port(site)));
    let stands = |line: &&str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        // `TCP_ESTABLISHED`.
        columns[3] == "01" && ports.iter().any(|port| columns[1].ends_with(port))
    };
    table.lines().skip(1).filter(stands).count()
}
