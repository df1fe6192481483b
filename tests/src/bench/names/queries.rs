//! Questions a second about a large zone.

use std::time::Duration;

use anyhow::ensure;

use super::{Both, CORES, NAMES, ZONE, primary};
use crate::bench::PAIRS;
use crate::bench::report::{Figure, Target, median};
use crate::cpu;
use crate::dns::{compose, rcode, rtype};
use crate::load::questions;

/// How long each half of a pair lasts.
const SPAN: Duration = Duration::from_secs(1);
/// Questions in flight: few enough for every queue.
const WINDOW: usize = 64;
/// Different questions, spread over the zone.
const QUESTIONS: u32 = 20_000;

/// Names that are there.
pub(crate) fn positive() -> anyhow::Result<Vec<Figure>> {
    let what = "answers a second of 100,000 names, ilnp-dnsd / BIND";
    compare("names-positive", what, "h", (rcode::NOERROR, 1))
}

/// Names that are not.
pub(crate) fn negative() -> anyhow::Result<Vec<Figure>> {
    let what = "NXDOMAIN a second of 100,000 names, ilnp-dnsd / BIND";
    compare("names-nxdomain", what, "no", (rcode::NXDOMAIN, 0))
}

fn compare(
    line: &'static str,
    what: &str,
    start: &str,
    expected: (u16, u16),
) -> anyhow::Result<Vec<Figure>> {
    // A step that has no common divisor with the number of names visits all of them in no order.
    let names = (0..QUESTIONS).map(|number| number.wrapping_mul(7919) % NAMES);
    let questions: Vec<Vec<u8>> = names
        .zip(0_u16..=u16::MAX)
        .map(|(name, id)| compose::query(id, &format!("{start}{name}.{ZONE}"), rtype::L64))
        .collect();
    let both = Both::start(|| primary(&[], NAMES))?;
    cpu::pin(CORES.1)?;
    let pairs = both.compare(PAIRS, |server| {
        let outcome = questions::ask(server, &questions, expected, WINDOW, SPAN)?;
        ensure!(outcome.wrong == 0, "wrong answers: {outcome:?}");
        Ok(f64::from(u32::try_from(outcome.right)?) / SPAN.as_secs_f64())
    })?;
    let samples: Vec<f64> = pairs.iter().map(|(ours, bind)| ours / bind).collect();
    let (ours, bind): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let rates = format!("{:.0} / {:.0}", median(&ours), median(&bind));
    Ok(vec![Figure {
        line,
        what: format!("{what} ({rates})"),
        target: Target::AtLeast(0.8),
        value: median(&samples),
        unit: "",
        samples,
    }])
}
