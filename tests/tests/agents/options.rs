//! What an operator may ask for.

use std::time::Instant;

use serde_json::Value;
use tests::relocation::wire::Wire;
use tests::relocation::world::{Changes, World};

/// What `qemu-img` knows of the guest's image at a site, while it is used.
fn image(world: &World, site: &str) -> Value {
    let output = std::process::Command::new("qemu-img")
        .args(["info", "-U", "--output=json"])
        .arg(world.overlay(site))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_trial_changes_nothing() {
    let world = World::with_guest(&Changes::default());
    let disks = || std::fs::read_dir(world.path("b/disks")).unwrap().count();
    let before = (world.status("a"), world.status("b"), disks());
    let told = world.ok("a", &["move", "vm1", "--to", "b", "--dry-run"]);
    assert!(
        told.contains("vm1 can be moved from a to b: at most 160 MiB"),
        "{told}"
    );
    assert_eq!((world.status("a"), world.status("b"), disks()), before);
    assert_eq!(world.qemu("b"), None);
    assert_eq!(world.report("a"), Value::Null);
    world.comes_to_rest_at("a");
}

#[test]
fn a_disk_that_is_copied_whole_needs_no_base() {
    let world = World::with_guest(&Changes::default());
    assert!(image(&world, "a")["backing-filename"].is_string());
    // Nobody needs the base image that is there.
    std::fs::write(world.path("b/base.raw"), vec![0x11; 64 << 20]).unwrap();
    let told = world.refused("a", &["move", "vm1", "--to", "b"]);
    assert!(told.contains("--storage full"), "{told}");
    world.ok("a", &["move", "vm1", "--to", "b", "--storage", "full"]);
    world.comes_to_rest_at("b");
    assert_eq!(image(&world, "b")["backing-filename"], Value::Null);
    std::fs::copy(world.path("a/base.raw"), world.path("b/base.raw")).unwrap();
    // It stands alone from now on.
    world.ok("b", &["move", "vm1", "--to", "a"]);
    world.comes_to_rest_at("a");
    world.check_disk("a");
}

#[test]
fn a_disk_that_both_sites_share_is_not_copied() {
    let world = World::with_guest(&Changes {
        shared: true,
        ..Changes::default()
    });
    for (from, to) in [("a", "b"), ("b", "a")] {
        world.ok(from, &["move", "vm1", "--to", to, "--storage", "none"]);
        world.comes_to_rest_at(to);
        let report = world.report(from);
        assert_eq!(report["sent"]["disks"], 0, "{report}");
    }
    world.check_disk("a");
}

#[test]
fn a_rate_is_kept_and_memory_may_be_compressed() {
    const RATE: f64 = 12.0 * 1048576.0;
    let wire = Wire::new();
    let world = World::new(&wire.between(Changes::default()));
    wire.lay(&world);
    world.start_guest();
    let (begun, before) = (Instant::now(), wire.passed());
    let rate = ["--bandwidth", "12MiB", "--max-downtime", "100"];
    world.ok("a", &[&["move", "vm1", "--to", "b"], &rate[..]].concat());
    #[expect(clippy::cast_precision_loss, reason = "some MiB")]
    let passed = (wire.passed() - before) as f64;
    let measured = passed / begun.elapsed().as_secs_f64();
    // TLS and the streams' frames add to it.
    assert!(measured < RATE * 1.05, "{measured} octets a second");
    world.comes_to_rest_at("b");
    world.ok("b", &["move", "vm1", "--to", "a", "--compress"]);
    world.comes_to_rest_at("a");
    world.check_disk("a");
}

#[test]
fn of_two_operators_at_once_one_moves_the_guest() {
    let world = World::with_guest(&Changes::default());
    let order = ["move", "vm1", "--to", "b", "--bandwidth", "32MiB"];
    let ended = std::thread::scope(|scope| {
        let orders = [0, 1].map(|_| scope.spawn(|| world.command("a", &order)));
        orders.map(|order| order.join().unwrap())
    });
    let refused: Vec<_> = ended.iter().filter(|end| !end.status.success()).collect();
    let [refused] = refused[..] else {
        panic!("{ended:?}");
    };
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("being moved to site b already"), "{told}");
    world.comes_to_rest_at("b");
    assert_eq!(world.status("b")["epoch"], 2);
    world.check_disk("b");
}
