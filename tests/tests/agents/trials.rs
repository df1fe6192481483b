//! A trial of a move, while the other site takes its time.

use std::os::unix::fs::PermissionsExt as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use experiments::process::Process;
use tests::relocation::world::{Changes, LIMIT, World};

const TRIAL: [&str; 5] = ["move", "vm1", "--to", "b", "--dry-run"];

#[test]
fn a_trial_that_takes_long_keeps_nobody_waiting() {
    // No QEMU starts at b before it may.
    let directory = tempfile::tempdir().unwrap();
    let (may, slow) = (directory.path().join("may"), directory.path().join("qemu"));
    let script = format!(
        "#!/bin/sh\nwhile [ ! -e {} ]; do sleep 0.1; done\nexec qemu-system-x86_64 \"$@\"\n",
        may.display()
    );
    std::fs::write(&slow, script).unwrap();
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).unwrap();
    let world = World::with_guest(&Changes {
        qemu_at_b: Some(slow.clone()),
        ..Changes::default()
    });
    let starting = || {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let mut lines =
            entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        let name = slow.to_str().unwrap();
        lines.any(|line| String::from_utf8_lossy(&line).contains(name))
    };
    let wait = |what: &str, wanted: bool| {
        let deadline = Instant::now() + LIMIT;
        while starting() != wanted {
            assert!(Instant::now() < deadline, "{what}\n{}", world.logs());
            sleep(Duration::from_millis(10));
        }
    };

    let log = world.path("trial.log");
    let mut trial = Process::start("trial", &mut world.prepared("a", &TRIAL), &log).unwrap();
    wait("b does not begin", true);
    // All of this is answered before b is.
    let status = world.status("a");
    assert!(status["running"].is_null(), "{status}");
    let shown = world.ok("a", &["status", "vm1"]);
    assert!(shown.contains("a move of it is being tried"), "{shown}");
    for arguments in [&TRIAL[..4], &TRIAL] {
        let told = world.refused("a", arguments);
        assert!(told.contains("is being tried or prepared"), "{told}");
    }
    world.ok("a", &["abort", "vm1"]);
    assert_eq!(world.ended(&mut trial), Some(1));
    let told = std::fs::read_to_string(&log).unwrap();
    assert!(told.contains("it was aborted"), "{told}");
    wait("b goes on with what nobody waits for", false);

    std::fs::write(may, "").unwrap();
    world.ok("a", &TRIAL);
    assert_eq!(world.status("a")["epoch"], 1);
    world.comes_to_rest_at("a");
}
