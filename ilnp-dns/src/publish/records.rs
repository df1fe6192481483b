//! What is published for a host, and the update that does it (RFC 2136 §2).

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use ilnp_core::id::{IlVector, Locator, Nid, Preference};

use crate::key::TsigKey;
use crate::message::{Message, Opcode, Question};
use crate::name::Name;
use crate::rdata;
use crate::record::{Class, Record, RecordType};

/// The types that an update replaces. A key needs a grant for all of them.
const TYPES: [RecordType; 4] = [
    RecordType::NID,
    RecordType::L64,
    RecordType::LP,
    RecordType::AAAA,
];
/// The preference of the only identifier, and the step between those of LP records.
const PREFERENCE: u16 = 10;

/// Where and how a host publishes itself.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The host's name.
    pub name: Name,
    /// The zone that has the name; `None`: each primary is asked.
    pub zone: Option<Name>,
    /// The servers that take updates. Each is kept up to date by itself.
    pub primaries: Vec<SocketAddr>,
    /// The key that signs the updates.
    pub key: Arc<TsigKey>,
    /// The TTL of L64 and AAAA records in seconds: for how long others may look at the old place.
    pub ttl: u32,
    /// The TTL of NID and LP records in seconds: these do not change by moving.
    pub nid_ttl: u32,
    /// Names at which the host's site publishes its L64 records, best first. With any, the host
    /// has LP records and neither L64 nor AAAA: nothing that a move of the whole site changes, so
    /// that such a move is the one update of the site's name (RFC 6742 §2.4). Hosts without ILNP
    /// reach it if the server makes AAAA records, as `ilnp-dnsd` does.
    pub lp: Vec<Name>,
}

/// Who a host is and where: what its records say.
///
/// Only Locators of global scope are in it, since a mobile host cannot know in which site a reader
/// is (RFC 6748 §2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    nid: Nid,
    /// Best first, each once.
    locators: Vec<(Preference, Locator)>,
}

impl Whereabouts {
    /// Of a host with these Locators, from which those of no global scope are left out.
    pub fn new(nid: Nid, locators: impl IntoIterator<Item = (Locator, Preference)>) -> Self {
        let mut best = BTreeMap::new();
        for (locator, preference) in locators {
            if is_global(locator) {
                let known = best.entry(locator).or_insert(preference);
                *known = preference.min(*known);
            }
        }
        let mut locators: Vec<_> = best
            .into_iter()
            .map(|(locator, best)| (best, locator))
            .collect();
        locators.sort_unstable();
        Self { nid, locators }
    }

    /// The Node Identifier.
    pub fn nid(&self) -> Nid {
        self.nid
    }

    /// The address with the best Locator.
    pub(super) fn address(&self) -> Option<Ipv6Addr> {
        let (_, locator) = self.locators.first()?;
        Some(IlVector::new(self.nid, *locator).address())
    }

    /// The Locators, best first.
    pub fn locators(&self) -> impl Iterator<Item = (Locator, Preference)> {
        self.locators
            .iter()
            .map(|(preference, locator)| (*locator, *preference))
    }
}

/// Whether a Locator is of the global unicast space (RFC 4291 §2.4, the part that is given out).
fn is_global(locator: Locator) -> bool {
    locator.bits() >> 61 == 0b001
}

impl Publication {
    /// The records of the host's name.
    fn records(&self, host: &Whereabouts) -> Vec<Record> {
        let nid = rdata::Nid {
            preference: Preference(PREFERENCE),
            node_id: host.nid,
        };
        let mut records = vec![self.record(RecordType::NID, self.nid_ttl, nid.to_wire())];
        if self.lp.is_empty() {
            records.extend(host.locators().map(|(locator, preference)| {
                let l64 = rdata::L64 {
                    preference,
                    locator,
                };
                self.record(RecordType::L64, self.ttl, l64.to_wire())
            }));
            records.extend(host.locators().map(|(locator, _preference)| {
                let address = IlVector::new(host.nid, locator).address();
                self.record(RecordType::AAAA, self.ttl, address.octets().to_vec())
            }));
        }
        let preferences = (1..).map(|rank: u16| Preference(rank.saturating_mul(PREFERENCE)));
        records.extend(self.lp.iter().zip(preferences).map(|(target, preference)| {
            let target = target.clone();
            let lp = rdata::Lp { preference, target };
            self.record(RecordType::LP, self.nid_ttl, lp.to_wire())
        }));
        records
    }

    fn record(&self, rtype: RecordType, ttl: u32, rdata: Vec<u8>) -> Record {
        Record {
            name: self.name.clone(),
            rtype,
            class: Class::IN,
            ttl,
            rdata: rdata.into(),
        }
    }

    /// The update that makes the records of the host's name in `zone` those of `host`, whatever
    /// they were (RFC 2136 §2.5). Its identifier is for the sender to choose.
    pub(super) fn update(&self, zone: &Name, host: &Whereabouts) -> Message {
        let all_of = |rtype| Record {
            name: self.name.clone(),
            rtype,
            class: Class::ANY,
            ttl: 0,
            rdata: Bytes::new(),
        };
        let mut updates: Vec<_> = TYPES.map(all_of).into();
        updates.extend(self.records(host));
        Message {
            questions: vec![Question {
                name: zone.clone(),
                rtype: RecordType::SOA,
                class: Class::IN,
            }],
            authorities: updates,
            ..Message::request(0, Opcode::UPDATE)
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::key::Algorithm;

    fn publication(lp: &[&str]) -> Publication {
        let name: Name = "vm1.example.org.".parse().unwrap();
        Publication {
            name: name.clone(),
            zone: None,
            primaries: vec![],
            key: Arc::new(TsigKey::new(
                name,
                Algorithm::HmacSha256,
                Zeroizing::new(vec![1]),
            )),
            ttl: 5,
            nid_ttl: 3600,
            lp: lp.iter().map(|name| name.parse().unwrap()).collect(),
        }
    }

    fn host(locators: &[(&str, u16)]) -> Whereabouts {
        let locators = locators
            .iter()
            .map(|(locator, preference)| (locator.parse().unwrap(), Preference(*preference)));
        Whereabouts::new("0214:4fff:fe20:ee64".parse().unwrap(), locators)
    }

    /// Type, TTL and the first octets of the data of what is added.
    fn added(publication: &Publication, host: &Whereabouts) -> Vec<(RecordType, u32, Vec<u8>)> {
        let update = publication.update(&"example.org.".parse().unwrap(), host);
        let added = update
            .authorities
            .iter()
            .filter(|one| one.class == Class::IN);
        added
            .map(|one| (one.rtype, one.ttl, one.rdata[..4].to_vec()))
            .collect()
    }

    #[test]
    fn one_update_replaces_everything() {
        let host = host(&[("2001:db8:b::/64", 20), ("2001:db8:a::/64", 10)]);
        let publication = publication(&[]);
        assert_eq!(
            added(&publication, &host),
            [
                (RecordType::NID, 3600, vec![0, 10, 2, 0x14]),
                (RecordType::L64, 5, vec![0, 10, 0x20, 1]),
                (RecordType::L64, 5, vec![0, 20, 0x20, 1]),
                (RecordType::AAAA, 5, vec![0x20, 1, 0xd, 0xb8]),
                (RecordType::AAAA, 5, vec![0x20, 1, 0xd, 0xb8]),
            ]
        );
        let update = publication.update(&"example.org.".parse().unwrap(), &host);
        assert!(update.answers.is_empty(), "no prerequisites");
        let removed = update
            .authorities
            .iter()
            .filter(|one| one.class == Class::ANY);
        let removed: Vec<_> = removed
            .map(|one| (one.rtype, one.ttl, one.rdata.len()))
            .collect();
        assert_eq!(removed, TYPES.map(|rtype| (rtype, 0, 0)));
        assert_eq!(Message::from_wire(&update.to_wire(65_535)), Ok(update));
    }

    #[test]
    fn a_host_with_lp_records_publishes_nothing_that_its_site_changes() {
        let host = host(&[("2001:db8:b::/64", 20)]);
        assert_eq!(
            added(&publication(&["s1.example.org.", "s2.example.org."]), &host),
            [
                (RecordType::NID, 3600, vec![0, 10, 2, 0x14]),
                (RecordType::LP, 3600, vec![0, 10, 2, b's']),
                (RecordType::LP, 3600, vec![0, 20, 2, b's']),
            ]
        );
    }

    #[test]
    fn only_global_locators_are_published_each_once() {
        let host = host(&[
            ("fd00:db8:a::/64", 1),
            ("fe80::/64", 1),
            ("2001:db8:c::/64", 30),
            ("2001:db8:b::/64", 20),
            ("2001:db8:c::/64", 10),
        ]);
        let locators: Vec<_> = host.locators().map(|(one, _)| one.to_string()).collect();
        assert_eq!(locators, ["2001:db8:c::/64", "2001:db8:b::/64"]);
    }

    #[test]
    fn a_host_without_a_global_locator_is_still_somebody() {
        let nowhere = host(&[("fd00:db8:a::/64", 1)]);
        assert_eq!(
            added(&publication(&[]), &nowhere),
            [(RecordType::NID, 3600, vec![0, 10, 2, 0x14])]
        );
    }
}
