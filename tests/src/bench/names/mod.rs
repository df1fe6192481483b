//! `ilnp-dnsd` beside BIND: both durable on the same file system, and one after the other on the
//! same processors.

mod queries;
mod readers;
mod stub;
mod updates;
mod visible;

pub(super) use queries::{negative, positive};
pub(super) use readers::readers;
pub(super) use stub::stub;
pub(super) use updates::updates;
pub(super) use visible::visible;

use std::net::SocketAddr;

use crate::name_servers::{Grant, Key, NameServer, Role, Setup, Software};

/// Where the server runs, and where what asks it.
const CORES: (usize, usize) = (0, 1);
const ZONE: &str = "example.org";
/// Names in the zone.
const NAMES: u32 = 100_000;
/// Hosts that send updates.
const HOSTS: usize = 100;

/// The two, from the same description.
struct Both {
    ours: NameServer,
    bind: NameServer,
}

impl Both {
    fn start(setup: impl Fn() -> Setup<'static>) -> anyhow::Result<Self> {
        Ok(Self {
            ours: Software::Dnsd.start(&setup())?,
            bind: Software::Bind.start(&setup())?,
        })
    }

    /// Measures both, `pairs` times; which one comes first alternates. Ours, then BIND's.
    fn compare(
        &self,
        pairs: usize,
        mut half: impl FnMut(SocketAddr) -> anyhow::Result<f64>,
    ) -> anyhow::Result<Vec<(f64, f64)>> {
        let (ours, bind) = (self.ours.address(), self.bind.address());
        half(ours)?;
        half(bind)?;
        let mut samples = vec![];
        for number in 0..pairs {
            samples.push(if number % 2 == 0 {
                let ours = half(ours)?;
                (ours, half(bind)?)
            } else {
                let bind = half(bind)?;
                (half(ours)?, bind)
            });
        }
        Ok(samples)
    }
}

/// A zone with these hosts, each of which may change its own records, and `names` others.
fn zone(hosts: &[Key], names: u32) -> Role {
    use std::fmt::Write as _;
    let mut text =
        String::from("$TTL 5\n@ SOA ns hostmaster 1 3600 600 86400 5\n@ NS ns\nns A 127.0.0.1\n");
    for host in hosts.iter().map(|key| &key.name) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{host}. NID 10 0214:4fff:fe20:ee64");
        let _ = writeln!(text, "{host}. L64 10 2001:0db8:0000:0000");
    }
    for number in 0..names {
        let (high, low) = (number >> 16, number & 0xffff);
        let _ = writeln!(text, "h{number} L64 10 2001:0db8:{high:04x}:{low:04x}");
    }
    let mut role = Role::primary(&text);
    if let Role::Primary { grants, .. } = &mut role {
        *grants = vec![Grant::Own(vec!["NID", "L64", "AAAA"])];
    }
    role
}

/// Keys of hosts, each with the name of its host.
fn keys(count: usize) -> anyhow::Result<Vec<Key>> {
    (0..count)
        .map(|number| Key::generate(&format!("vm{number}.{ZONE}")))
        .collect()
}

/// A server of such a zone on its processor.
fn primary(keys: &[Key], names: u32) -> Setup<'static> {
    let mut setup = Setup::new().on_core(CORES.0).zone(ZONE, zone(keys, names));
    setup.keys = keys.to_vec();
    setup
}
