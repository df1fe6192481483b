//! The connection between the agents dies in each phase, and later comes back.

use std::time::Duration;

use tests::relocation::wire::Wire;
use tests::relocation::world::{Changes, World, moving, wait_for_outcome};

#[test]
fn a_link_that_dies_in_any_phase_leaves_one_guest() {
    let wire = Wire::new();
    let world = World::new(&wire.between(Changes::default()));
    wire.lay(&world);
    world.start_guest();
    for phase in ["prepare", "disks", "memory", "stop", "stop", "stop"] {
        if world.comes_to_rest() == "b" {
            world.ok("b", &["move", "vm1", "--to", "a"]);
            world.comes_to_rest_at("a");
        }
        let mut child = moving(&world, "a", phase);
        wire.cut();
        std::thread::sleep(Duration::from_secs(2));
        wire.mend();
        world.ended(&mut child);
        let expected = match world.comes_to_rest() {
            "a" => "failed",
            _ => "moved",
        };
        let report = wait_for_outcome(&world, "a");
        assert_eq!(report["outcome"], expected, "{phase}: {report}");
    }
    let site = world.comes_to_rest();
    world.check_disk(site);
}
