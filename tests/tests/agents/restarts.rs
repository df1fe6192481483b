//! Guests that are started again where they belong.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use experiments::process::Process;
use tests::relocation::world::{Changes, LIMIT, World, moving_at};

/// QEMU and the agent end after the guest has become the target's, and before its disk has its name.
#[test]
fn a_guest_has_the_disk_that_arrived_with_it() {
    let mut world = World::with_guest(&Changes::default());
    world.ok("a", &["move", "vm1", "--to", "b"]);
    world.comes_to_rest_at("b");
    world.kill_agent("b");
    world.kill_qemu("b");
    let last = world.synced("b");
    let overlay = world.overlay("b");
    std::fs::rename(&overlay, overlay.with_extension("qcow2.incoming")).unwrap();
    world.start_agent("b");
    assert_eq!(world.status("b")["running"], false);
    world.ok("b", &["start", "vm1"]);
    world.comes_to_rest_at("b");
    world.kill_qemu("b");
    // The guest began anew with what it writes, on the disk that it had.
    world.compare_disk("b", last.max(world.synced("b")));
}

/// A move that is given up while the target starts its QEMU leaves none there.
#[test]
fn a_move_that_is_aborted_early_leaves_nothing_at_the_target() {
    let world = World::with_guest(&Changes::default());
    for wait in (0..600).step_by(50) {
        let order = ["move", "vm1", "--to", "b", "--bandwidth", "24MiB"];
        let log = world.path("moves.log");
        let mut child = Process::start("move", &mut world.prepared("a", &order), &log).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        // It may not have begun, or be through.
        let _ = world.command("a", &["abort", "vm1"]);
        world.ended(&mut child);
        if world.comes_to_rest() == "b" {
            world.ok("b", &["move", "vm1", "--to", "a"]);
        }
        world.comes_to_rest_at("a");
    }
    world.ok("a", &["move", "vm1", "--to", "b"]);
    world.comes_to_rest_at("b");
}

/// The agent of the target ends before the QEMU that it has started answers.
#[test]
fn a_qemu_that_comes_up_without_its_agent_is_found_and_ended() {
    let directory = tempfile::tempdir().unwrap();
    // Only the one that waits for a guest is slow.
    let script = "#!/bin/sh\ncase \"$*\" in *'-incoming defer') sleep 4 ;; esac\nexec qemu-system-x86_64 \"$@\"\n";
    let slow = directory.path().join("qemu");
    std::fs::write(&slow, script).unwrap();
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut world = World::with_guest(&Changes {
        qemu_at_b: Some(slow),
        ..Changes::default()
    });
    let log = world.path("moves.log");
    let mut order = world.prepared("a", &["move", "vm1", "--to", "b"]);
    let mut moving = Process::start("move", &mut order, &log).unwrap();
    let mark = world.path("b/run/vm1.pid").display().to_string();
    let starting = || {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        lines
            .filter(|line| String::from_utf8_lossy(line).contains(&mark))
            .count()
    };
    let deadline = Instant::now() + LIMIT;
    while starting() == 0 {
        assert!(Instant::now() < deadline, "no QEMU\n{}", world.logs());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    world.kill_agent("b");
    assert_eq!(world.qemu("b"), None, "it was to be slow");
    world.start_agent("b");
    world.ended(&mut moving);
    world.comes_to_rest_at("a");
    assert_eq!(starting(), 0, "{}", world.logs());
    assert_eq!(world.status("b").get("problem"), None);
    assert!(!world.path("b/disks/vm1.qcow2.incoming").exists());
}

/// The agent ends while the disk of a guest is copied that has come from elsewhere.
#[test]
fn a_guest_that_has_arrived_can_leave_after_a_restart() {
    let mut world = World::with_guest(&Changes::default());
    world.ok("a", &["move", "vm1", "--to", "b"]);
    world.comes_to_rest_at("b");
    for phase in ["disks", "memory"] {
        let mut child = moving_at(&world, "b", phase, "512KiB");
        world.kill_agent("b");
        world.ended(&mut child);
        world.start_agent("b");
        world.comes_to_rest_at("b");
    }
    world.ok("b", &["move", "vm1", "--to", "a"]);
    world.comes_to_rest_at("a");
    world.check_disk("a");
}
