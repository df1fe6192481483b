//! From an update that is sent to the new Locator that is answered.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::{CORES, ZONE, keys, zone};
use crate::bench::MOVES;
use crate::bench::report::{Figure, Target, median};
use crate::cpu;
use crate::dns::answer::outline;
use crate::dns::tsig::Signer;
use crate::dns::{compose, exchange, rcode, rtype};
use crate::name_servers::tools::await_answer;
use crate::name_servers::{Key, NameServer, Role, Setup, Software, fresh_address};

const LIMIT: Duration = Duration::from_secs(10);
/// A host does not move more often than this; transfers have ended then.
const GAP: Duration = Duration::from_millis(300);
const POLL: Duration = Duration::from_micros(200);

/// A primary with a BIND secondary.
struct Chain {
    primary: NameServer,
    secondary: NameServer,
}

/// At the primary and at its secondary, for `ilnp-dnsd` and for BIND.
pub(crate) fn visible() -> anyhow::Result<Vec<Figure>> {
    let keys = keys(1)?;
    let host = &keys[0];
    let chains = [
        Chain::start(Software::Dnsd, host)?,
        Chain::start(Software::Bind, host)?,
    ];
    cpu::pin(CORES.1)?;
    let mut times = [[vec![], vec![]], [vec![], vec![]]];
    for number in 0..=MOVES {
        for (chain, times) in chains.iter().zip(&mut times) {
            let (primary, secondary) = chain.change(host, u64::try_from(number)? + 1)?;
            // The first one meets cold caches.
            if number > 0 {
                times[0].push(primary);
                times[1].push(secondary);
            }
            sleep(GAP);
        }
    }
    let [ours, bind] = times;
    let bound = median(&bind[0]);
    let [at_primary, at_secondary] = ours;
    let theirs = median(&bind[1]);
    Ok(vec![
        figure(
            "an update visible at the primary; at most BIND's".to_owned(),
            bound,
            at_primary,
        ),
        figure(
            format!("... at a BIND secondary (from BIND: {theirs:.1})"),
            10.0,
            at_secondary,
        ),
    ])
}

fn figure(what: String, bound: f64, samples: Vec<f64>) -> Figure {
    Figure {
        line: "names-visible",
        what,
        target: Target::AtMost(bound),
        value: median(&samples),
        unit: "ms",
        samples,
    }
}

impl Chain {
    fn start(software: Software, host: &Key) -> anyhow::Result<Self> {
        let transfers = Key::generate("xfer")?;
        let copy = fresh_address();
        let mut role = zone(std::slice::from_ref(host), 100);
        if let Role::Primary {
            notify,
            transfer_key,
            ..
        } = &mut role
        {
            notify.push(copy);
            *transfer_key = Some(transfers.name.clone());
        }
        let setup = Setup::new().key(host).key(&transfers).zone(ZONE, role);
        let primary = software.start(&setup.on_core(CORES.0))?;
        let role = Role::Secondary {
            primary: primary.address(),
            key: Some(transfers.name.clone()),
        };
        let setup = Setup::at(copy).key(&transfers).zone(ZONE, role);
        let secondary = Software::Bind.start(&setup.on_core(CORES.0))?;
        let before = ["10 2001:db8:0:0"];
        await_answer(&secondary, &host.name, "L64", &before, LIMIT)?;
        Ok(Self { primary, secondary })
    }

    /// Milliseconds until primary and secondary answer with the new Locator.
    fn change(&self, host: &Key, locator: u64) -> anyhow::Result<(f64, f64)> {
        let wanted = compose::preferred(10, locator);
        let name = &host.name;
        let changes = [
            compose::delete(name, rtype::L64),
            compose::add(name, rtype::L64, &wanted),
        ];
        let mut update = compose::update(1, ZONE, &[], &changes);
        Signer::new(host)?.sign(&mut update);
        let question = compose::query(2, name, rtype::L64);
        let shows = |server: SocketAddr| -> anyhow::Result<bool> {
            Ok(exchange::udp(server, &question)?.data(rtype::L64) == [wanted.as_slice()])
        };

        let socket = exchange::socket(self.primary.address())?;
        let start = Instant::now();
        socket.send(&update)?;
        let mut primary = None;
        loop {
            if primary.is_none() && shows(self.primary.address())? {
                primary = Some(milliseconds(start));
            }
            if let Some(primary) = primary
                && shows(self.secondary.address())?
            {
                let secondary = milliseconds(start);
                let mut answer = [0; 512];
                let length = socket.recv(&mut answer)?;
                let code = outline(&answer[..length]).map(|(code, _)| code);
                ensure!(code == Some(rcode::NOERROR), "the update got {code:?}");
                return Ok((primary, secondary));
            }
            ensure!(start.elapsed() < LIMIT, "{wanted:?} is not visible");
            sleep(POLL);
        }
    }
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}
