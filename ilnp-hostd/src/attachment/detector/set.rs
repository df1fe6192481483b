//! The set of Locators that follows from what is known.

use std::time::Duration;

use ilnp_core::id::{IlVector, Locator};
use ilnp_core::node::{LocalLocator, LocatorHealth, SlotIndex};
use ilnp_core::time::Instant;

use super::Config;
use super::interface::{GRACE, Interface, Known};

/// How many Locators are told: one for each slot of the data path but the preferred one.
const LOCATORS: usize = SlotIndex::COUNT - 1;

/// Lifetimes that end sooner by less than this are no news.
const SOONER: Duration = Duration::from_secs(5);

/// How a Locator stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is there.
    Has(LocatorHealth),
    /// It is gone since then. Kept a little while there is no working one.
    Lost(Instant),
}

impl Standing {
    /// The lower the better: even a Locator that is about to go is better than one that is gone.
    const fn rank(self) -> u8 {
        match self {
            Self::Has(LocatorHealth::Working) => 0,
            Self::Has(LocatorHealth::Leaving) => 1,
            Self::Lost(_) => 2,
        }
    }
}

/// The Locators of all interfaces, the best first.
pub(super) fn collect<'a>(
    now: Instant,
    config: &Config,
    interfaces: impl Iterator<Item = &'a Interface>,
) -> Vec<LocalLocator> {
    let mut found: Vec<(LocalLocator, Standing)> = interfaces
        .filter(|interface| interface.used)
        .flat_map(|interface| interface.locators(now, config))
        .collect();
    let working = Standing::Has(LocatorHealth::Working);
    let any_works = found.iter().any(|(_, standing)| *standing == working);
    found.retain(|(_, standing)| match standing {
        Standing::Has(_) => true,
        Standing::Lost(since) => !any_works && now < *since + GRACE,
    });
    // One Locator on two interfaces: the better one of them, or else the first.
    found.sort_by_key(|(locator, standing)| (locator.locator, standing.rank(), locator.interface));
    found.dedup_by_key(|(locator, _)| locator.locator);
    found.sort_by_key(|(_, standing)| standing.rank());
    found.truncate(LOCATORS);
    found.into_iter().map(|(locator, _)| locator).collect()
}

/// Whether the set differs from what was told, in more than the passing of time and the refreshing of
/// lifetimes.
pub(super) fn is_news(
    told: Option<&[LocalLocator]>,
    locators: &[LocalLocator],
    now: Instant,
) -> bool {
    let Some(told) = told else { return true };
    let timeless = |locator: &LocalLocator| LocalLocator {
        valid_until: None,
        ..locator.clone()
    };
    told.len() != locators.len()
        || told.iter().zip(locators).any(|(old, new)| {
            timeless(old) != timeless(new)
                || lifetime_is_news(old.valid_until, new.valid_until, now)
        })
}

/// A lifetime is told again when it ends sooner than was told, or when half of it would have passed.
fn lifetime_is_news(old: Option<Instant>, new: Option<Instant>, now: Instant) -> bool {
    match (old, new) {
        (None, None) => false,
        (Some(old), Some(new)) => {
            new + SOONER < old || {
                let left = old.saturating_duration_since(now);
                left * 2 < new.saturating_duration_since(now)
            }
        }
        _ => true,
    }
}

impl Interface {
    /// The Locators of this interface.
    fn locators(
        &self,
        now: Instant,
        config: &Config,
    ) -> impl Iterator<Item = (LocalLocator, Standing)> {
        self.addresses
            .values()
            .filter(|known| config.is_ours(&known.address) && known.address.is_usable())
            .map(|known| (IlVector::from(known.address.address).locator, known))
            .filter(|(prefix, _)| !self.duplicates.contains(prefix) && !self.is_planned(*prefix))
            .map(move |(prefix, known)| {
                let (standing, router) = self.standing(now, prefix, known);
                let locator = LocalLocator {
                    locator: prefix,
                    interface: self.link.index,
                    router,
                    health: match standing {
                        Standing::Has(health) => health,
                        Standing::Lost(_) => LocatorHealth::Leaving,
                    },
                    valid_until: known.valid_until,
                    mtu: self.mtu(),
                };
                (locator, standing)
            })
    }

    /// How a Locator stands, and the way out from it: of the routers that advertise its prefix, the
    /// one that is not in doubt and was heard last.
    fn standing(
        &self,
        now: Instant,
        prefix: Locator,
        known: &Known,
    ) -> (Standing, Option<std::net::Ipv6Addr>) {
        let mut advertised = false;
        let best = self
            .routers
            .iter()
            .filter(|(_, router)| router.prefixes.contains_key(&prefix))
            .inspect(|_| advertised = true)
            .filter(|(_, router)| router.is_way_out(now))
            .max_by_key(|(_, router)| (!router.doubted, router.heard));
        let address = best.map(|(address, _)| *address);
        let lost = self
            .carrier_lost
            .or_else(|| self.lost.get(&prefix).copied());
        if let Some(since) = lost {
            return (Standing::Lost(since), address);
        }
        let has_way_out = best.map_or(!advertised, |(_, router)| !router.doubted);
        let health = if has_way_out && !known.address.deprecated {
            LocatorHealth::Working
        } else {
            LocatorHealth::Leaving
        };
        (Standing::Has(health), address)
    }
}
