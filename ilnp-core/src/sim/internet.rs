//! Sites and the core between them.
//!
//! A site is a /64 behind a router that does what providers' routers do: it lets nothing out whose
//! source is not of its own prefix (BCP 38). The core knows the prefixes and drops what goes to any
//! other.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::link::{Conditions, Fate, Link};
use crate::id::{IlVector, Locator};
use crate::time::Instant;

/// Names a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub usize);

/// What a filter in the core does to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// It goes no further.
    Drop,
    /// It goes on after this time.
    Delay(Duration),
}

/// Looks at every packet that leaves a site.
pub type Filter = Box<dyn FnMut(Instant, &Bytes) -> Verdict>;

/// What the routers dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The source was not of the site's prefix.
    pub foreign_source: u64,
    /// No site has the destination's prefix, or it is cut off.
    pub unreachable: u64,
    /// A filter said so.
    pub filtered: u64,
    /// A link lost it or had no room.
    pub lost: u64,
}

struct Site {
    locator: Locator,
    up: Link,
    down: Link,
    connected: bool,
}

/// All sites, and what is under way between them.
#[derive(Default)]
pub struct Internet {
    sites: Vec<Site>,
    filters: Vec<Filter>,
    delayed: BTreeMap<(Instant, u64), Bytes>,
    delayed_count: u64,
    dropped: Dropped,
}

impl Internet {
    /// Adds a site. Each of its two links has these conditions.
    pub fn add_site(&mut self, locator: Locator, conditions: Conditions, seed: u64) -> SiteId {
        let id = SiteId(self.sites.len());
        let seed = seed.wrapping_mul(1_000).wrapping_add(id.0 as u64 * 2);
        self.sites.push(Site {
            locator,
            up: Link::new(conditions, seed),
            down: Link::new(conditions, seed + 1),
            connected: true,
        });
        id
    }

    /// The prefix of a site.
    pub fn locator(&self, site: SiteId) -> Locator {
        self.sites[site.0].locator
    }

    /// Changes the conditions of both links of a site.
    pub fn set_conditions(&mut self, site: SiteId, conditions: Conditions) {
        self.sites[site.0].up.set_conditions(conditions);
        self.sites[site.0].down.set_conditions(conditions);
    }

    /// Cuts a site off from the core, or connects it again. Its hosts are not told.
    pub fn set_connected(&mut self, site: SiteId, connected: bool) {
        self.sites[site.0].connected = connected;
    }

    /// Adds a filter; a packet passes all of them in the order in which they came.
    pub fn add_filter(&mut self, filter: Filter) {
        self.filters.push(filter);
    }

    /// Takes all filters out.
    pub fn clear_filters(&mut self) {
        self.filters.clear();
    }

    /// What was dropped so far.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// A host of a site hands a packet to its router.
    pub fn send(&mut self, now: Instant, from: SiteId, packet: Bytes) {
        let site = &mut self.sites[from.0];
        match address(&packet, SOURCE) {
            Some(source) if source.locator == site.locator => {
                let fate = site.up.send(now, packet);
                self.count(fate);
            }
            _ => self.dropped.foreign_source += 1,
        }
    }

    /// Puts a packet into the core, as an attacker does whose provider does not check sources.
    pub fn inject(&mut self, now: Instant, packet: Bytes) {
        self.route(now, packet);
    }

    /// Takes the next packet that reaches a site.
    pub fn poll(&mut self, now: Instant) -> Option<(SiteId, Bytes)> {
        for index in 0..self.sites.len() {
            while let Some(packet) = self.sites[index].up.poll(now) {
                self.pass_filters(now, SiteId(index), packet);
            }
        }
        while let Some(first) = self.delayed.first_entry() {
            if first.key().0 > now {
                break;
            }
            let packet = first.remove();
            self.route(now, packet);
        }
        self.sites
            .iter_mut()
            .enumerate()
            .find_map(|(index, site)| Some((SiteId(index), site.down.poll(now)?)))
    }

    /// When the next packet gets anywhere.
    pub fn next_deadline(&self) -> Option<Instant> {
        let links = self.sites.iter().flat_map(|site| [&site.up, &site.down]);
        links
            .filter_map(Link::next_deadline)
            .chain(self.delayed.keys().next().map(|(due, _)| *due))
            .min()
    }

    fn pass_filters(&mut self, now: Instant, from: SiteId, packet: Bytes) {
        if !self.sites[from.0].connected {
            self.dropped.unreachable += 1;
            return;
        }
        let mut delay = Duration::ZERO;
        for filter in &mut self.filters {
            match filter(now, &packet) {
                Verdict::Pass => {}
                Verdict::Drop => {
                    self.dropped.filtered += 1;
                    return;
                }
                Verdict::Delay(more) => delay += more,
            }
        }
        if delay.is_zero() {
            self.route(now, packet);
        } else {
            let key = (now + delay, self.delayed_count);
            self.delayed_count += 1;
            self.delayed.insert(key, packet);
        }
    }

    fn route(&mut self, now: Instant, packet: Bytes) {
        let destination = address(&packet, DESTINATION).map(|vector| vector.locator);
        let site = self
            .sites
            .iter_mut()
            .find(|site| Some(site.locator) == destination && site.connected);
        match site.map(|site| site.down.send(now, packet)) {
            Some(fate) => self.count(fate),
            None => self.dropped.unreachable += 1,
        }
    }

    fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Carried | Fate::Duplicated => {}
            Fate::Lost | Fate::Overflowed => self.dropped.lost += 1,
        }
    }
}

const SOURCE: usize = 8;
const DESTINATION: usize = 24;

/// The address that stands at an offset of an IPv6 header.
fn address(packet: &Bytes, at: usize) -> Option<IlVector> {
    let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
    Some(IlVector::from(std::net::Ipv6Addr::from(octets)))
}

/// The destination of a packet as identifier and Locator.
pub(super) fn destination(packet: &Bytes) -> Option<IlVector> {
    address(packet, DESTINATION)
}

/// The source of a packet as identifier and Locator.
pub(super) fn source(packet: &Bytes) -> Option<IlVector> {
    address(packet, SOURCE)
}

#[cfg(test)]
mod tests {
    use super::super::stack::packet;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn locator(text: &str) -> Locator {
        text.parse().unwrap()
    }

    fn internet() -> (Internet, SiteId, SiteId) {
        let mut internet = Internet::default();
        let delay = Conditions::delay(MS * 10);
        let a = internet.add_site(locator("2001:db8:a::/64"), delay, 1);
        let b = internet.add_site(locator("2001:db8:b::/64"), delay, 1);
        (internet, a, b)
    }

    fn a_to_b() -> Bytes {
        let [a, b] = ["2001:db8:a::1", "2001:db8:b::1"].map(|text| text.parse().unwrap());
        packet(a, b, 59, &[])
    }

    fn arrivals(internet: &mut Internet) -> Vec<(Instant, SiteId)> {
        let mut arrivals = Vec::new();
        while let Some(due) = internet.next_deadline() {
            while let Some((site, _)) = internet.poll(due) {
                arrivals.push((due, site));
            }
        }
        arrivals
    }

    #[test]
    fn a_packet_takes_the_way_up_and_the_way_down() {
        let (mut internet, a, b) = internet();
        internet.send(Instant::ZERO, a, a_to_b());
        assert_eq!(arrivals(&mut internet), [(Instant::ZERO + MS * 20, b)]);
    }

    #[test]
    fn a_site_lets_no_foreign_source_out() {
        let (mut internet, _, b) = internet();
        internet.send(Instant::ZERO, b, a_to_b());
        assert_eq!(arrivals(&mut internet), []);
        assert_eq!(internet.dropped().foreign_source, 1);
    }

    #[test]
    fn a_site_that_is_cut_off_is_unreachable_both_ways() {
        for cut in [SiteId(0), SiteId(1)] {
            let (mut internet, a, _) = internet();
            internet.set_connected(cut, false);
            internet.send(Instant::ZERO, a, a_to_b());
            assert_eq!(arrivals(&mut internet), []);
            assert_eq!(internet.dropped().unreachable, 1);
        }
    }

    #[test]
    fn filters_drop_and_delay() {
        let (mut internet, a, b) = internet();
        let mut verdicts = [Verdict::Drop, Verdict::Delay(MS * 5), Verdict::Pass].into_iter();
        internet.add_filter(Box::new(move |_, _| verdicts.next().unwrap()));
        for _ in 0..3 {
            internet.send(Instant::ZERO, a, a_to_b());
        }
        let [passed, delayed] = [20, 25].map(|ms| (Instant::ZERO + MS * ms, b));
        assert_eq!(arrivals(&mut internet), [passed, delayed]);
        assert_eq!(internet.dropped().filtered, 1);
    }
}
