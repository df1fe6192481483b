//! Two hosts, each with two sites that it can be at.

use std::time::Duration;

use super::internet::SiteId;
use super::link::Conditions;
use super::world::{HostId, World};
use crate::id::{Locator, Nid};
use crate::node::Config;

/// The `n`th site's prefix, `2001:db8:n::/64`.
pub const fn site_locator(n: u16) -> Locator {
    Locator::from_bits(0x2001_0db8_0000_0000 | (n as u64) << 16)
}

/// The `n`th host's identifier.
pub const fn host_nid(n: u16) -> Nid {
    Nid::from_bits(0x0214_4fff_fe20_0000 | n as u64)
}

/// How a [`Pair`] is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What every packet takes there and back.
    pub round_trip: Duration,
    /// All else that happens to packets on each of the four links of a round trip.
    pub conditions: Conditions,
    /// The seed of all chance.
    pub seed: u64,
    /// The node that moves.
    pub mobile: Config,
    /// Its correspondent.
    pub fixed: Config,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            round_trip: Duration::from_millis(50),
            conditions: Conditions::default(),
            seed: 1,
            mobile: Config::new(host_nid(1)),
            fixed: Config::new(host_nid(2)),
        }
    }
}

/// A mobile host at site `a` and its correspondent at site `c`. The mobile host knows its
/// correspondent by name; `b` and `d` are where the two can move to.
pub struct Pair {
    /// Everything.
    pub world: World,
    /// The host that moves.
    pub mobile: HostId,
    /// Its correspondent.
    pub fixed: HostId,
    /// Where the mobile host is at first.
    pub a: SiteId,
    /// Where the mobile host can move to.
    pub b: SiteId,
    /// Where the correspondent is at first.
    pub c: SiteId,
    /// Where the correspondent can move to.
    pub d: SiteId,
}

impl Default for Pair {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Pair {
    /// Makes a pair.
    pub fn new(settings: Settings) -> Self {
        let mut world = World::new(settings.seed);
        let conditions = Conditions {
            // Each way goes up one site's link and down the other's.
            delay: settings.round_trip / 4,
            ..settings.conditions
        };
        let [a, b, c, d] =
            [0xa, 0xb, 0xc, 0xd].map(|n| world.add_site(site_locator(n), conditions));
        let mobile = world.add_host(settings.mobile);
        let fixed = world.add_host(settings.fixed);
        world.attach(mobile, a);
        world.attach(fixed, c);
        world.introduce(mobile, fixed);
        Self {
            world,
            mobile,
            fixed,
            a,
            b,
            c,
            d,
        }
    }
}
