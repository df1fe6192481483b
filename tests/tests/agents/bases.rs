//! A target whose base image is not the one that the guest's disk lies on.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use serde_json::Value;
use tests::relocation::world::{BASE_AT, Changes, World};

const MOVE: [&str; 4] = ["move", "vm1", "--to", "b"];

/// Changes what b's base image holds, and sets the time of its modification back.
fn change_base(world: &World) {
    let path = world.path("b/base.raw");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let base = File::options().write(true).open(path).unwrap();
    base.write_all_at(&vec![0x11; 1 << 20], BASE_AT).unwrap();
    base.set_modified(modified).unwrap();
}

/// The file in which a site remembers the digest of its base image.
fn memory(world: &World, site: &str) -> PathBuf {
    let entries = fs::read_dir(world.path(site).join("state/digests")).unwrap();
    let files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else {
        panic!("not one digest: {files:?}");
    };
    file.clone()
}

/// The guest is where it was, and the target has nothing of it.
fn is_untouched(world: &World) {
    let report = world.report("a");
    assert_eq!(report["outcome"], "failed", "{report}");
    assert_eq!(report["sent"]["copies"], 0, "{report}");
    world.comes_to_rest_at("a");
    assert_eq!(fs::read_dir(world.path("b/disks")).unwrap().count(), 0);
}

#[test]
fn a_base_that_was_changed_behind_its_date_is_noticed() {
    let world = World::with_guest(&Changes::default());
    // Its digest is remembered from here on.
    world.ok("a", &[&MOVE[..], &["--dry-run"]].concat());
    change_base(&world);
    let told = world.refused("a", &MOVE);
    assert!(told.contains("lies on another base image"), "{told}");
    is_untouched(&world);
    world.check_disk("a");
}

/// The agent of b is made to believe that its base image has the digest of a's, as if the image had been
/// damaged below the file system; to a that is the same as a site that does not tell the truth.
#[test]
fn a_target_that_lies_about_its_base_gets_nothing() {
    let world = World::with_guest(&Changes::default());
    change_base(&world);
    world.refused("a", &[&MOVE[..], &["--dry-run"]].concat());
    let [truth, lie] = ["a", "b"].map(|site| memory(&world, site));
    let read = |file| serde_json::from_slice::<Value>(&fs::read(file).unwrap()).unwrap();
    let mut told = read(&lie);
    told["base"] = read(&truth)["base"].clone();
    fs::write(&lie, told.to_string()).unwrap();
    for arguments in [&[&MOVE[..], &["--dry-run"]].concat()[..], &MOVE] {
        let told = world.refused("a", arguments);
        assert!(
            told.contains("site b says that it has the base image of disk vd0"),
            "{told}"
        );
    }
    is_untouched(&world);
    // What the message advises: the image is read again, and found to be another one.
    let touched = std::process::Command::new("touch")
        .arg(world.path("b/base.raw"))
        .status();
    assert!(touched.unwrap().success());
    let told = world.refused("a", &MOVE);
    assert!(told.contains("lies on another base image"), "{told}");
    world.ok("a", &[&MOVE[..], &["--storage", "full"]].concat());
    world.comes_to_rest_at("b");
}
