//! Ten thousand correspondents of one host.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use ilnp_core::id::{IlVector, Locator};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{Backlog, listen};

use super::idle::resident;
use super::pair::Pair;
use super::report::{Figure, Target};
use crate::crowd::Crowd;
use crate::session;
use crate::tun::Tun;

const COUNT: u32 = 10_000;
/// Where the crowd is, and where the host moves to.
const CROWD: Locator = Locator::from_bits(0x2001_0db8_c0de_0000);
const NEXT: Locator = Locator::from_bits(0x2001_0db8_000f_0000);
/// Handshakes in flight: few enough for every queue between the two.
const WINDOW: usize = 100;
const LIMIT: Duration = Duration::from_secs(60);

/// Meeting them, and telling them of a move.
pub(super) fn crowd() -> anyhow::Result<Vec<Figure>> {
    let mut pair = Pair::build()?;
    pair.a.start_daemon("")?;
    let daemon = pair.a.daemon.as_ref().context("no daemon")?.id();
    let before = resident(daemon)?;
    let mut crowd = gather(&pair)?;

    let met = crowd.meet(WINDOW, LIMIT)?;
    ensure!(met.done == crowd.len(), "{} of {COUNT} were met", met.done);
    let memory = (resident(daemon)? - before) * 1024.0 * 1024.0 / f64::from(COUNT);

    let start = Instant::now();
    pair.a.move_to(&pair.router, NEXT)?;
    let told = crowd.await_updates(NEXT, LIMIT)?;
    ensure!(
        told.done == crowd.len(),
        "{} of {COUNT} were told",
        told.done
    );
    let told = start.elapsed().as_secs_f64();

    let rate = f64::from(COUNT) / met.took.as_secs_f64();
    Ok(vec![
        figure(
            "new correspondents a second",
            Target::AtLeast(10_000.0),
            rate,
            "/s",
        ),
        figure(
            "10,000 correspondents told of a move",
            Target::AtMost(2.0),
            told,
            "s",
        ),
        figure(
            "memory for a correspondent",
            Target::AtMost(1024.0),
            memory,
            "octets",
        ),
    ])
}

/// The crowd behind host `b`, connecting to a listener on host `a`.
fn gather(pair: &Pair) -> anyhow::Result<Crowd> {
    raise_descriptor_limit()?;
    let listener = pair.a.namespace.inside(|| TcpListener::bind("[::]:0"))??;
    let port = listener.local_addr()?.port();
    // The queue of the standard library has 128 places.
    listen(&listener, Backlog::new(4096)?)?;
    // Held open: a session that ends is another measurement.
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    let tun = pair.b.namespace.inside(|| Tun::open("crowd0"))??;
    pair.b.namespace.sysctl(&[("conf/all/forwarding", "1")])?;
    pair.b.namespace.ip(&[
        "link set crowd0 up txqueuelen 20000".to_owned(),
        format!("route add {CROWD} dev crowd0"),
    ])?;
    let way = format!("route add {CROWD} via {} dev to-b", pair.b.address());
    pair.router.ip(&[way])?;
    // Every host and router on the way knows its neighbours then; the queue for one that is not yet
    // known is short.
    let mut ping = pair.b.namespace.command("ping");
    session::output(ping.args(["-c1", "-W2", &pair.a.address().to_string()]))?;
    let host = IlVector::new(pair.a.nid, pair.a.locator);
    Ok(Crowd::new(tun, CROWD, COUNT, host, port))
}

/// Every connection is a file descriptor of this process.
fn raise_descriptor_limit() -> anyhow::Result<()> {
    let wanted = u64::from(COUNT) + 1000;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted))?;
    }
    Ok(())
}

fn figure(what: &str, target: Target, value: f64, unit: &'static str) -> Figure {
    Figure {
        line: "crowd",
        what: what.to_owned(),
        target,
        value,
        unit,
        samples: vec![value],
    }
}
