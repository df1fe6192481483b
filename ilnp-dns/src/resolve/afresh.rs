//! Look-ups past every cache: the servers of a zone are asked themselves (T21, T51).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{Answer, Query};
use super::lookup::{Ask, Lookup};
use super::resolver::{LIMIT, drive, request};
use super::{Records, Resolver};
use crate::exchange::{Transport, pass_on};
use crate::message::{Message, Rcode};
use crate::name::Name;
use crate::raw;
use crate::record::{Record, RecordType};

/// How many of a zone's servers are asked.
const MAX_SERVERS: usize = 8;
/// How many names above a name are asked for its zone.
const MAX_ANCESTORS: usize = 4;
/// For how long one of them may be silent.
const PATIENCE: Duration = Duration::from_millis(800);
/// For how long the others may take once one has told its serial number.
const OTHERS: Duration = Duration::from_millis(150);
/// Where name servers listen.
const PORT: u16 = 53;

/// The servers of the zones that one look-up comes by, those with the newest contents first.
type Zones = Mutex<HashMap<Name, Arc<OnceCell<Vec<SocketAddr>>>>>;

impl Resolver {
    /// Finds out what DNS holds for a name past every cache, AAAA included: asks the servers of the
    /// name's zone themselves, and the upstreams if none of those answers. For a correspondent that
    /// is lost (T21, T51). Takes 5 s at most.
    pub async fn resolve_afresh(&self, name: &Name) -> Records {
        let mut lookup = Lookup::new(name.clone(), &[RecordType::AAAA]);
        let zones = Zones::default();
        let ask = |ask: Ask| async {
            let answer = self.ask_zone(&zones, &ask.query).await;
            (ask, answer)
        };
        // What is not answered by then is told as unanswered.
        let _ = timeout(LIMIT, drive(&mut lookup, ask, |_| {})).await;
        lookup.records()
    }

    async fn ask_zone(&self, zones: &Zones, query: &Query) -> Answer {
        let cell = {
            let mut zones = zones.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(zones.entry(query.name.clone()).or_default())
        };
        let servers = cell.get_or_init(|| self.servers_of(&query.name)).await;
        for &server in servers {
            if let Some(reply) = ask_server(server, query).await {
                let answer = Answer::read(&reply, query);
                if answer != Answer::Failed {
                    self.remember(query, &answer);
                    return answer;
                }
            }
        }
        self.ask_upstreams(query).await
    }

    /// The servers of the zone that a name is in, those with the newest contents first.
    async fn servers_of(&self, name: &Name) -> Vec<SocketAddr> {
        let Some(zone) = self.zone_of(name).await else {
            return Vec::new();
        };
        let mut servers = Vec::new();
        let ns = self.data(&zone, RecordType::NS).await;
        let names = ns.iter().filter_map(|rdata| Name::from_wire(rdata).ok());
        for addresses in join_all(names.take(MAX_SERVERS).map(|name| self.addresses_of(name))).await
        {
            servers.extend(addresses);
        }
        servers.truncate(MAX_SERVERS);
        newest_first(&zone, servers).await
    }

    /// The zone that a name is in: its SOA record stands in the answer at the apex, and in the
    /// authority section for the names below. An alias says nothing of its own zone; the name above
    /// it does.
    async fn zone_of(&self, name: &Name) -> Option<Name> {
        let ancestors = core::iter::successors(Some(name.clone()), Name::parent);
        for ancestor in ancestors.take(MAX_ANCESTORS) {
            let query = Query {
                name: ancestor,
                rtype: RecordType::SOA,
            };
            let reply = self.query(&query).await?;
            let mut records = reply.answers.into_iter().chain(reply.authorities);
            let zone = |record: &Record| {
                record.rtype == RecordType::SOA && query.name.is_within(&record.name)
            };
            if let Some(soa) = records.find(zone) {
                return Some(soa.name);
            }
        }
        None
    }

    async fn addresses_of(&self, server: Name) -> Vec<SocketAddr> {
        let (six, four) = tokio::join!(
            self.data(&server, RecordType::AAAA),
            self.data(&server, RecordType::A)
        );
        let six = six
            .iter()
            .filter_map(|rdata| <[u8; 16]>::try_from(&rdata[..]).ok());
        let four = four
            .iter()
            .filter_map(|rdata| <[u8; 4]>::try_from(&rdata[..]).ok());
        six.map(|octets| IpAddr::from(Ipv6Addr::from(octets)))
            .chain(four.map(|octets| IpAddr::from(Ipv4Addr::from(octets))))
            .filter(|address| !address.is_unspecified() && !address.is_multicast())
            .map(|address| SocketAddr::new(address, PORT))
            .collect()
    }

    /// The data of the records that the upstreams know.
    async fn data(&self, name: &Name, rtype: RecordType) -> Vec<Bytes> {
        let name = name.clone();
        match self.ask_upstreams(&Query { name, rtype }).await {
            Answer::Records(records) => records.into_iter().map(|record| record.data).collect(),
            _ => Vec::new(),
        }
    }
}

/// Puts a query to a server of the zone. `None` when it is silent, or does not have the zone.
async fn ask_server(server: SocketAddr, query: &Query) -> Option<Message> {
    let octets = request(query, false);
    let ask = async {
        let mut reply = pass_on(server, &octets, Transport::Udp).await.ok()?;
        if raw::is_truncated(&reply) {
            reply = pass_on(server, &octets, Transport::Tcp).await.ok()?;
        }
        Message::from_wire(&reply).ok()
    };
    let reply = timeout(PATIENCE, ask).await.ok()??;
    let known = matches!(reply.rcode, Rcode::NOERROR | Rcode::NXDOMAIN);
    Some(reply).filter(|reply| reply.authoritative && known)
}

/// The servers that have the zone, those with the highest serial numbers first: a secondary may be
/// behind its primary.
async fn newest_first(zone: &Name, servers: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let query = Query {
        name: zone.clone(),
        rtype: RecordType::SOA,
    };
    let mut asked: FuturesUnordered<_> = servers
        .iter()
        .map(|&server| {
            let query = &query;
            async move { (server, ask_server(server, query).await) }
        })
        .collect();
    let mut serials = Vec::new();
    let mut end = Instant::now() + PATIENCE;
    while let Ok(Some((server, reply))) = timeout_at(end, asked.next()).await {
        if let Some(serial) = reply.as_ref().and_then(serial) {
            end = end.min(Instant::now() + OTHERS);
            serials.push((server, serial));
        }
    }
    sort_by_serial(&mut serials);
    serials.into_iter().map(|(server, _)| server).collect()
}

/// The highest serial number first (RFC 1982); servers of equal ones stay in order.
fn sort_by_serial<T>(servers: &mut [(T, u32)]) {
    let Some(&(_, reference)) = servers.first() else {
        return;
    };
    servers.sort_by_key(|&(_, serial)| {
        let ahead = serial.wrapping_sub(reference).cast_signed();
        core::cmp::Reverse(ahead)
    });
}

fn serial(reply: &Message) -> Option<u32> {
    let soa = reply
        .answers
        .iter()
        .find(|record| record.rtype == RecordType::SOA)?;
    let (_primary, rest) = Name::split_from(&soa.rdata).ok()?;
    let (_mailbox, rest) = Name::split_from(rest).ok()?;
    rest.first_chunk().copied().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_contents_come_first_across_the_wrap() {
        for (serials, expected) in [
            (&[1, 3, 2][..], &[3, 2, 1][..]),
            (&[u32::MAX, 0, u32::MAX - 1], &[0, u32::MAX, u32::MAX - 1]),
            (&[], &[]),
        ] {
            let mut servers: Vec<_> = serials.iter().map(|&serial| ((), serial)).collect();
            sort_by_serial(&mut servers);
            let sorted: Vec<_> = servers.iter().map(|&((), serial)| serial).collect();
            assert_eq!(sorted, expected);
        }
    }
}
