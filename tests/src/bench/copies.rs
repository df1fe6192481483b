//! What the disk of a virtual machine costs that moves: time, and octets on the wire.

use std::time::{Duration, Instant};

use super::report::{Figure, Target, largest, median};
use crate::relocation::wire::{Length, Wire};
use crate::relocation::world::{Changes, World};

/// A round trip of 55 ms, and a gigabit a second.
const FAR: Length = Length {
    delay: Duration::from_micros(27_500),
    octet: Duration::from_nanos(8),
};
/// What is copied in good time, in MiB, of a disk of this size.
const DELTA: u32 = 512;
const DISK: u32 = 2048;
const MOVES: usize = 3;
/// Sizes of disks in MiB that differ from their base by as much.
const SIZES: [u32; 3] = [1 << 10, 4 << 10, 16 << 10];
const SAME_DELTA: u32 = 64;

/// How long a move takes whose disk has much to copy, from the request to the guest's being there.
pub(super) fn time() -> anyhow::Result<Vec<Figure>> {
    let samples: Vec<f64> = (0..MOVES).map(|_| one(FAR, DISK, DELTA).0).collect();
    Ok(vec![Figure {
        line: "relocate-disk",
        what: format!("{DELTA} MiB of delta, 1 Gbit/s, RTT 55 ms: request to done, median"),
        target: Target::AtMost(15.0),
        value: median(&samples),
        unit: "s",
        samples,
    }])
}

/// What is sent of disks of several sizes that differ from their base by the same.
pub(super) fn delta() -> anyhow::Result<Vec<Figure>> {
    let sent: Vec<f64> = SIZES
        .iter()
        .map(|size| one(Length::default(), *size, SAME_DELTA).1)
        .collect();
    let least = sent.iter().copied().fold(f64::INFINITY, f64::min);
    let beyond: Vec<f64> = sent
        .iter()
        .map(|sent| (sent / least - 1.0) * 100.0)
        .collect();
    Ok(vec![Figure {
        line: "relocate-delta",
        what: "octets sent, disks of 1, 4 and 16 GiB, same delta: the most beyond the least".into(),
        target: Target::AtMost(5.0),
        value: largest(&beyond),
        unit: "%",
        samples: beyond,
    }])
}

/// Moves a guest once: seconds, and octets that went over the wire.
fn one(length: Length, disk: u32, delta: u32) -> (f64, f64) {
    let wire = Wire::of(length);
    let world = World::new(&wire.between(Changes {
        disk: Some(disk),
        delta: Some(delta),
        ..Changes::default()
    }));
    wire.lay(&world);
    world.start_guest();
    // Base images are read once, at both sites.
    world.ok("a", &["move", "vm1", "--to", "b", "--dry-run"]);
    let (begun, before) = (Instant::now(), wire.passed());
    world.ok("a", &["move", "vm1", "--to", "b"]);
    let took = begun.elapsed().as_secs_f64();
    world.comes_to_rest_at("b");
    #[expect(clippy::cast_precision_loss, reason = "a gigabyte at most")]
    let passed = (wire.passed() - before) as f64;
    (took, passed)
}
