//! AAAA records made of NID and L64 records, for hosts that do not speak ILNP (RFC 6741 §8.4).
//!
//! They are answers and no data: transfers do not carry them. A host that wants them from secondary
//! servers too publishes AAAA records together with its Locators.

use std::borrow::Cow;

use bytes::Bytes;

use super::found::View;
use super::place::Place;
use crate::name::Name;
use crate::record::RecordType;
use crate::zone::node::{Node, RrSet};
use crate::zone::{Zone, fields};

/// Addresses that are made for a name at most.
const MAX_ADDRESSES: usize = 100;

impl Zone {
    /// The AAAA records of a name that has none.
    pub(super) fn synthesise<'a>(
        &self,
        node: &Node,
        name: &Cow<'a, Name>,
        rtype: RecordType,
    ) -> Option<View<'a>> {
        let wanted = (rtype == RecordType::AAAA).then_some(node)?;
        let (addresses, ttl) = self.addresses(wanted)?;
        Some(View {
            owner: name.clone(),
            rtype,
            ttl,
            rdatas: Cow::Owned(addresses),
        })
    }

    /// Each Locator of a name with each Node Identifier, be the Locators its own or those of the
    /// names in this zone that its LP records point at; and the shortest TTL of all of them.
    pub(in crate::zone) fn addresses(&self, node: &Node) -> Option<(Vec<Bytes>, u32)> {
        let nids = node.sets.get(RecordType::NID)?;
        let (mut ttl, mut addresses) = (nids.ttl, Vec::new());
        let mut combine = |locators: &RrSet, longest: u32| {
            ttl = ttl.min(locators.ttl).min(longest);
            for locator in &locators.rdatas {
                addresses.extend(nids.rdatas.iter().map(|nid| address(locator, nid)));
            }
        };
        if let Some(own) = node.sets.get(RecordType::L64) {
            combine(own, u32::MAX);
        }
        if let Some(pointers) = node.sets.get(RecordType::LP) {
            for locators in self.behind(pointers) {
                combine(locators, pointers.ttl);
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MAX_ADDRESSES);
        (!addresses.is_empty()).then_some((addresses, ttl))
    }

    /// The L64 sets that LP records point at.
    fn behind(&self, pointers: &RrSet) -> impl Iterator<Item = &RrSet> {
        let targets = pointers.rdatas.iter();
        let targets = targets.filter_map(|rdata| fields::target(RecordType::LP, rdata));
        targets.filter_map(|target| match self.place(&target, RecordType::L64) {
            Place::At(node) => node.sets.get(RecordType::L64),
            _ => None,
        })
    }
}

/// Puts a Locator and a Node Identifier together; each stands behind its Preference.
fn address(locator: &[u8], nid: &[u8]) -> Bytes {
    [&locator[2..], &nid[2..]].concat().into()
}
