//! What is allowed in a zone, but hardly meant (RFC 6741 §8.4, RFC 6742 §2.3).

use core::net::Ipv6Addr;

use super::Zone;
use super::node::Node;
use crate::name::Name;
use crate::record::RecordType;

/// Something about a host that its correspondents will trip over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Oddity {
    /// A node that can be identified, but not reached: no L64, no L32 and no LP record.
    #[error("{0} has NID records but no Locator: without an L64 or LP record nobody can reach it")]
    NoLocator(Name),
    /// An LP record without the Node Identifier that belongs to its Locators.
    #[error("{0} has LP records but no NID record: nobody can use the Locators behind them")]
    NoNid(Name),
    /// An address that ILNP does not lead to, so that correspondents end up in different places.
    #[error(
        "{name} has the address {address}, which none of its NID and L64 records give: correct it, \
         or leave AAAA out and it is made of them"
    )]
    OtherAddress {
        /// The host.
        name: Name,
        /// The address.
        address: Ipv6Addr,
    },
}

impl Zone {
    /// What looks wrong, in no order that means anything.
    pub fn oddities(&self) -> impl Iterator<Item = Oddity> {
        self.nodes.iter().flat_map(|node| self.oddities_at(node))
    }

    fn oddities_at(&self, node: &Node) -> Vec<Oddity> {
        let has = |rtype| node.sets.has(rtype);
        let located = [RecordType::L64, RecordType::L32, RecordType::LP];
        let mut oddities = Vec::new();
        match has(RecordType::NID) {
            true if !located.into_iter().any(has) => {
                oddities.push(Oddity::NoLocator(node.name.clone()));
            }
            false if has(RecordType::LP) => oddities.push(Oddity::NoNid(node.name.clone())),
            _ => {}
        }
        let (Some(given), Some((made, _ttl))) =
            (node.sets.get(RecordType::AAAA), self.addresses(node))
        else {
            return oddities;
        };
        let others = given.rdatas.iter().filter(|rdata| !made.contains(rdata));
        let others = others.filter_map(|rdata| <[u8; 16]>::try_from(&**rdata).ok());
        oddities.extend(others.map(|octets| Oddity::OtherAddress {
            name: node.name.clone(),
            address: octets.into(),
        }));
        oddities
    }
}
