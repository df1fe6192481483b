//! The virtual clock, and everything that it drives.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;

use bytes::Bytes;

use super::dns::Dns;
use super::host::Host;
use super::internet::{Internet, SiteId, Verdict, destination};
use super::link::Conditions;
use crate::id::{Lifetime, Locator, Nid, Preference};
use crate::node::{Config, Input, LocalLocator, LocatorHealth, RemoteLocator, Resolved};
use crate::time::Instant;

/// Steps within one instant before that counts as a livelock.
const MAX_STEPS: usize = 1_000_000;
/// What routers advertise and resolvers hear.
const LIFETIME: Lifetime = Lifetime(300);
const PREFERENCE: Preference = Preference(10);
const MTU: u32 = 1500;
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Names a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

/// Hosts at sites on one virtual clock. The same calls with the same seed give the same run.
pub struct World {
    now: Instant,
    seed: u64,
    internet: Internet,
    dns: Dns,
    hosts: Vec<Host>,
    present: BTreeMap<(SiteId, Nid), HostId>,
    deadlines: BTreeSet<(Instant, HostId)>,
    scheduled: Vec<Option<Instant>>,
}

impl World {
    /// An empty world. Its clock starts a minute after boot.
    pub fn new(seed: u64) -> Self {
        Self {
            now: Instant::ZERO + Duration::from_secs(60),
            seed,
            internet: Internet::default(),
            dns: Dns::default(),
            hosts: Vec::new(),
            present: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            scheduled: Vec::new(),
        }
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The sites and what is between them.
    pub fn internet(&mut self) -> &mut Internet {
        &mut self.internet
    }

    /// The names of hosts.
    pub fn dns(&mut self) -> &mut Dns {
        &mut self.dns
    }

    /// Resolves a name for a host, as its resolver does when a program asks. Nothing is told when
    /// nothing is published.
    pub fn resolve(&mut self, id: HostId, name: &str) {
        if let Some(resolved) = self.dns.answer(name) {
            self.act(id, |host, now| host.tell(now, Input::Resolved(resolved)));
        }
    }

    /// Adds a site; both of its links have these conditions.
    pub fn add_site(&mut self, locator: Locator, conditions: Conditions) -> SiteId {
        self.internet.add_site(locator, conditions, self.seed)
    }

    /// Adds a host that is nowhere yet.
    pub fn add_host(&mut self, config: Config) -> HostId {
        let id = HostId(self.hosts.len());
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(id.0 as u64);
        self.hosts.push(Host::new(config, seed));
        self.scheduled.push(None);
        self.touch(id);
        id
    }

    /// Starts a copy of a host from its present state: its kernel with all sessions, its data path,
    /// and a daemon that takes them over. It is nowhere yet.
    pub fn add_copy(&mut self, of: HostId) -> HostId {
        let id = HostId(self.hosts.len());
        let copy = self.hosts[of.0].copy(self.now, self.seed.wrapping_add(id.0 as u64));
        self.hosts.push(copy);
        self.scheduled.push(None);
        self.touch(id);
        id
    }

    /// A host, to look at.
    pub fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0]
    }

    /// Does something to a host, and carries on what comes of it.
    pub fn act<R>(&mut self, id: HostId, action: impl FnOnce(&mut Host, Instant) -> R) -> R {
        let result = action(&mut self.hosts[id.0], self.now);
        self.touch(id);
        result
    }

    /// Lets a filter look at every packet that leaves a site.
    pub fn filter(&mut self, filter: impl FnMut(Instant, &Bytes) -> Verdict + 'static) {
        self.internet.add_filter(Box::new(filter));
    }

    /// Puts a packet into the core that no host sent.
    pub fn inject(&mut self, packet: Bytes) {
        self.internet.inject(self.now, packet);
    }

    /// Plugs a host into a site, without telling its node.
    pub fn plug(&mut self, id: HostId, site: SiteId) {
        let host = &mut self.hosts[id.0];
        host.plug(interface(site), Some((site, self.internet.locator(site))));
        self.present.insert((site, host.nid()), id);
    }

    /// Unplugs a host from a site, without telling its node.
    pub fn unplug(&mut self, id: HostId, site: SiteId) {
        let host = &mut self.hosts[id.0];
        host.plug(interface(site), None);
        self.present.remove(&(site, host.nid()));
    }

    /// Tells a host's node where it is plugged in, the Locators of `leaving` as leaving.
    pub fn announce(&mut self, id: HostId, leaving: &[SiteId]) {
        let locators = self.hosts[id.0]
            .plugged()
            .map(|(interface, site, locator)| LocalLocator {
                locator,
                interface,
                router: Some(ROUTER),
                health: if leaving.contains(&site) {
                    LocatorHealth::Leaving
                } else {
                    LocatorHealth::Working
                },
                valid_until: None,
                mtu: MTU,
            })
            .collect();
        self.act(id, |host, now| host.announce(now, locators));
    }

    /// Plugs a host into one more site and tells its node.
    pub fn attach(&mut self, id: HostId, site: SiteId) {
        self.plug(id, site);
        self.announce(id, &[]);
    }

    /// Unplugs a host from a site and tells its node.
    pub fn detach(&mut self, id: HostId, site: SiteId) {
        self.unplug(id, site);
        self.announce(id, &[]);
    }

    /// A hard handoff: the host leaves every site that it is at, and is at this one instead.
    pub fn move_to(&mut self, id: HostId, site: SiteId) {
        self.unplug_all(id);
        self.attach(id, site);
    }

    /// The host is nowhere, and its node is told.
    pub fn isolate(&mut self, id: HostId) {
        self.unplug_all(id);
        self.announce(id, &[]);
    }

    fn unplug_all(&mut self, id: HostId) {
        let sites: Vec<_> = self.hosts[id.0]
            .plugged()
            .map(|(_, site, _)| site)
            .collect();
        for site in sites {
            self.unplug(id, site);
        }
    }

    /// Tells a host's node what DNS says of another host: its identifier and where it is now.
    pub fn introduce(&mut self, id: HostId, other: HostId) {
        let other = &self.hosts[other.0];
        let locators = other
            .plugged()
            .map(|(_, _, locator)| RemoteLocator {
                locator,
                preference: PREFERENCE,
                lifetime: LIFETIME,
            })
            .collect();
        let resolved = Resolved {
            name: None,
            configured: true,
            nid: other.nid(),
            locators,
        };
        self.act(id, |host, now| host.tell(now, Input::Resolved(resolved)));
    }

    /// Lets time pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Lets time pass until an instant.
    pub fn run_until(&mut self, end: Instant) {
        while self.next_deadline().is_some_and(|next| next <= end) {
            self.step();
        }
        self.now = self.now.max(end);
    }

    /// Lets time pass until `reached` holds, and returns how long that took; `None` when it does not
    /// within `limit`.
    pub fn drive_until(
        &mut self,
        limit: Duration,
        mut reached: impl FnMut(&Self) -> bool,
    ) -> Option<Duration> {
        let begin = self.now;
        let end = begin + limit;
        while !reached(self) {
            if self.next_deadline().is_none_or(|next| next > end) {
                self.now = end;
                return None;
            }
            self.step();
        }
        Some(self.now - begin)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let hosts = self.deadlines.first().map(|(due, _)| *due);
        [
            hosts,
            self.internet.next_deadline(),
            self.dns.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Moves the clock to the next deadline and does all that is due.
    fn step(&mut self) {
        let Some(next) = self.next_deadline() else {
            return;
        };
        self.now = self.now.max(next);
        for _ in 0..MAX_STEPS {
            if let Some((site, packet)) = self.internet.poll(self.now) {
                self.arrive(site, packet);
            } else if let Some(id) = self.due() {
                self.act(id, Host::handle_timeout);
            } else if let Some((id, resolved)) = self.dns.poll(self.now) {
                self.act(id, |host, now| host.tell(now, Input::Resolved(resolved)));
            } else {
                return;
            }
        }
        panic!("the clock stands still at {:?}", self.now);
    }

    fn due(&self) -> Option<HostId> {
        let (due, id) = *self.deadlines.first()?;
        (due <= self.now).then_some(id)
    }

    fn arrive(&mut self, site: SiteId, packet: Bytes) {
        let host = destination(&packet).and_then(|to| self.present.get(&(site, to.nid)));
        if let Some(id) = host.copied() {
            self.act(id, |host, now| host.receive(now, packet));
        }
    }

    fn touch(&mut self, id: HostId) {
        let host = &mut self.hosts[id.0];
        host.settle(self.now);
        while let Some((site, packet)) = host.poll_leaving() {
            self.internet.send(self.now, site, packet);
        }
        while let Some(request) = host.poll_dns_request() {
            self.dns.request(self.now, id, host.nid(), request);
        }
        let deadline = host.next_deadline();
        if let Some(old) = std::mem::replace(&mut self.scheduled[id.0], deadline) {
            self.deadlines.remove(&(old, id));
        }
        self.deadlines.extend(deadline.map(|due| (due, id)));
    }
}

/// A host has one interface for each site.
pub fn interface(site: SiteId) -> u32 {
    u32::try_from(site.0 + 1).unwrap_or(u32::MAX)
}
