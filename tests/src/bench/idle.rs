//! The daemon when nothing happens, and when it starts.

use std::time::Duration;

use anyhow::Context as _;
use experiments::measure::capture::Capture;

use super::pair::Pair;
use super::report::{Figure, Target, largest, median};
use crate::judge;
use crate::session::Conversation;

const STARTS: usize = 10;
/// Longer than every timer of a session that is not about its end.
const QUIET: Duration = Duration::from_secs(70);

/// Memory, silence and start.
pub(super) fn idle() -> anyhow::Result<Vec<Figure>> {
    let mut pair = Pair::start()?;
    let mut talk = Conversation::open(&pair.a.namespace, &pair.b.namespace, pair.b.handle())?;
    talk.exchange(Duration::from_secs(5))?;
    let file = pair.directory().join("idle.pcap");
    let capture = Capture::to_file(&pair.a.namespace, "eth0", file)?;
    std::thread::sleep(QUIET);
    let packets = judge::count(
        &capture.finish(),
        "ipv6.opt.ilnp_nonce || icmpv6.type == 156",
    )?;
    let packets = f64::from(u32::try_from(packets)?);
    let memory = resident(pair.a.daemon.as_ref().context("no daemon")?.id())?;
    let starts = starts(&mut pair)?;
    Ok(vec![
        figure(
            "daemon idle, resident memory",
            24.0,
            "MiB",
            vec![memory],
            memory,
        ),
        figure(
            "packets of an idle session in 70 s",
            0.0,
            "",
            vec![packets],
            packets,
        ),
        figure(
            "start to ready, median",
            300.0,
            "ms",
            starts.clone(),
            median(&starts),
        ),
        figure(
            "start to ready, largest",
            300.0,
            "ms",
            starts.clone(),
            largest(&starts),
        ),
    ])
}

/// The daemon starts anew, without anything that an earlier one left.
fn starts(pair: &mut Pair) -> anyhow::Result<Vec<f64>> {
    let correspondents = pair.b.entry();
    let mut samples = vec![];
    for _ in 0..STARTS {
        pair.a.stop_daemon()?;
        let took = pair.a.start_daemon(&correspondents)?;
        samples.push(took.as_secs_f64() * 1000.0);
    }
    Ok(samples)
}

/// Resident memory of a process, in MiB.
pub(super) fn resident(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u32 = kib.context("no VmRSS")?.parse()?;
    Ok(f64::from(kib) / 1024.0)
}

fn figure(what: &str, bound: f64, unit: &'static str, samples: Vec<f64>, value: f64) -> Figure {
    Figure {
        line: "idle",
        what: what.to_owned(),
        target: Target::AtMost(bound),
        value,
        unit,
        samples,
    }
}
