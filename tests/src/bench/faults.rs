//! A virtual machine that moves there and back while things break.

use super::report::{Figure, Target};
use crate::relocation::endurance::endure;

const COUNT: usize = 100;
const FAULTS: usize = 30;
const SEED: u64 = 1;

/// Guests lost in moves with faults, and sectors of their disks.
pub(super) fn faults() -> anyhow::Result<Vec<Figure>> {
    let tally = endure(COUNT, FAULTS, SEED)?;
    #[expect(clippy::cast_precision_loss, reason = "at most one")]
    let lost = tally.losses.len() as f64;
    let why = tally.losses.first().map(|loss| format!(" ({loss})"));
    Ok(vec![Figure {
        line: "relocate-faults",
        what: format!(
            "{} moves, {} with a fault: guests lost{}",
            tally.moves,
            tally.faults,
            why.unwrap_or_default()
        ),
        target: Target::AtMost(0.0),
        value: lost,
        unit: "",
        samples: vec![lost],
    }])
}
