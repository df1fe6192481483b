//! What readers see while a host's records are replaced again and again.

use anyhow::ensure;

use super::{ZONE, keys, primary};
use crate::bench::report::{Figure, Target};
use crate::load::readers::watch;
use crate::name_servers::Software;

const UPDATES: u32 = 40_000;
const ANSWERS: u32 = 50_000;

/// Empty or mixed answers among 50,000 during 40,000 updates.
pub(crate) fn readers() -> anyhow::Result<Vec<Figure>> {
    let keys = keys(1)?;
    let mut setup = primary(&keys, 1000);
    setup.core = None;
    let server = Software::Dnsd.start(&setup)?;
    let seen = watch(server.address(), ZONE, &keys[0], UPDATES)?;
    let answers = seen.answers;
    ensure!(
        answers >= ANSWERS,
        "only {answers} answers during the updates"
    );
    Ok(vec![Figure {
        line: "names-readers",
        what: format!("empty or mixed answers among {answers} during {UPDATES} updates"),
        target: Target::AtMost(0.0),
        value: f64::from(seen.torn),
        unit: "",
        samples: vec![f64::from(seen.torn)],
    }])
}
