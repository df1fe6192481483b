//! Signed updates a second, one, some and many at a time.

use std::time::Duration;

use super::{Both, CORES, HOSTS, ZONE, keys, primary};
use crate::bench::report::{Figure, Target, median};
use crate::cpu;
use crate::load::updates::Updater;

/// How long each half of a pair lasts.
const SPAN: Duration = Duration::from_millis(1500);
const WINDOWS: [usize; 3] = [1, 16, 128];
/// Disks differ more from moment to moment than processors do.
const PAIRS: usize = 11;

/// Each with its own server, so that the journals of one do not weigh on the next.
pub(crate) fn updates() -> anyhow::Result<Vec<Figure>> {
    let keys = keys(HOSTS)?;
    cpu::pin(CORES.1)?;
    WINDOWS
        .iter()
        .map(|&window| {
            let both = Both::start(|| primary(&keys, 1000))?;
            let pairs = both.compare(PAIRS, |server| {
                Updater::new(server, ZONE, &keys)?.rate(window, SPAN)
            })?;
            let samples: Vec<f64> = pairs.iter().map(|(ours, bind)| ours / bind).collect();
            let (ours, bind): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let rates = format!("{:.0} / {:.0}", median(&ours), median(&bind));
            Ok(Figure {
                line: "names-updates",
                what: format!("updates a second, {window} in flight, ilnp-dnsd / BIND ({rates})"),
                target: Target::AtLeast(1.0),
                value: median(&samples),
                unit: "",
                samples,
            })
        })
        .collect()
}
