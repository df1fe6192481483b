//! What one reply says about one question.

use bytes::Bytes;

use super::WithTtl;
use crate::message::{Message, Rcode};
use crate::name::Name;
use crate::record::{Class, Record, RecordType};

/// How many aliases are followed in one reply.
const MAX_ALIASES: usize = 16;

/// A record set that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Query {
    /// The owner.
    pub(crate) name: Name,
    /// The type.
    pub(crate) rtype: RecordType,
}

/// What a reply says about a [`Query`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There are such records. An alias's TTL limits theirs.
    Records(Vec<WithTtl<Bytes>>),
    /// There are none, which holds for this many seconds (RFC 2308 §5).
    Nothing {
        /// 0 when the reply does not say.
        ttl: u32,
    },
    /// The name is an alias, and what the other one has remains to be asked.
    Alias {
        /// The other name.
        target: Name,
        /// Seconds.
        ttl: u32,
    },
    /// Nobody answered, or the server could not say.
    Failed,
}

impl Answer {
    /// Reads a reply that was checked to answer this query.
    pub(crate) fn read(reply: &Message, query: &Query) -> Self {
        if !matches!(reply.rcode, Rcode::NOERROR | Rcode::NXDOMAIN) || reply.truncated {
            return Self::Failed;
        }
        let (aliases, owner) = follow(&reply.answers, &query.name);
        let alias_ttl = aliases.iter().map(|alias| alias.ttl).min();
        let alias_ttl = alias_ttl.unwrap_or(u32::MAX);
        let records = of(&reply.answers, &owner, query.rtype);
        let records: Vec<_> = records
            .map(|record| WithTtl {
                data: record.rdata.clone(),
                ttl: record.ttl.min(alias_ttl),
            })
            .collect();
        if !records.is_empty() {
            return Self::Records(records);
        }
        let has = |rtype| move |record: &&Record| record.rtype == rtype;
        if let Some(soa) = reply.authorities.iter().find(has(RecordType::SOA)) {
            let ttl = soa.ttl.min(soa_minimum(soa)).min(alias_ttl);
            return Self::Nothing { ttl };
        }
        if reply.rcode == Rcode::NOERROR && owner != query.name {
            return Self::Alias {
                target: owner,
                ttl: alias_ttl,
            };
        }
        // A server that only knows who else might know (RFC 2308 §2.2.1).
        let referral = reply.authorities.iter().find(has(RecordType::NS)).is_some();
        if referral && !reply.authoritative {
            return Self::Failed;
        }
        Self::Nothing { ttl: 0 }
    }
}

/// The alias records that lead on from `name`, and the name at their end.
pub(crate) fn follow<'a>(answers: &'a [Record], name: &Name) -> (Vec<&'a Record>, Name) {
    let (mut aliases, mut owner) = (Vec::new(), name.clone());
    while aliases.len() < MAX_ALIASES {
        let Some(alias) = of(answers, &owner, RecordType::CNAME).next() else {
            break;
        };
        let Ok(target) = Name::from_wire(&alias.rdata) else {
            break;
        };
        aliases.push(alias);
        owner = target;
    }
    (aliases, owner)
}

fn of<'a>(
    records: &'a [Record],
    owner: &Name,
    rtype: RecordType,
) -> impl Iterator<Item = &'a Record> {
    records.iter().filter(move |record| {
        record.rtype == rtype && record.class == Class::IN && record.name == *owner
    })
}

/// The last field of an SOA record: for how long its zone lacks what it lacks.
fn soa_minimum(soa: &Record) -> u32 {
    let minimum = soa.rdata.last_chunk().copied();
    minimum.map_or(0, u32::from_be_bytes)
}
