//! One look-up of one name: which questions to ask, and what the answers add up to.
//!
//! No sockets and no clock. Questions come out of [`Lookup::poll_query`], all of them may be asked
//! at once, and each is answered to [`Lookup::handle_answer`], in any order.

use core::net::Ipv6Addr;
use std::collections::VecDeque;

use bytes::Bytes;

use super::answer::{Answer, Query};
use super::{Records, WithTtl};
use crate::name::Name;
use crate::rdata::{L64, Lp, Nid};
use crate::record::RecordType;

/// How many records of one set are taken, the best first.
const MAX_RECORDS: usize = 32;
/// How many LP records are followed, the best first.
const MAX_TARGETS: usize = 8;
/// How many aliases are asked for one after the other.
const MAX_ALIASES: u8 = 8;

/// The types that make a node an ILNP node.
const ILNP: [RecordType; 3] = [RecordType::NID, RecordType::L64, RecordType::LP];

/// A question to put to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// What for.
    pub(crate) query: Query,
    /// Past the cache: what is known disagrees with other answers.
    pub(crate) again: bool,
    /// Which of the look-up's record sets the answer belongs to.
    set: usize,
}

/// A record set that the look-up needs.
#[derive(Debug)]
struct Set {
    /// Whose, before any alias.
    owner: Name,
    rtype: RecordType,
    state: State,
    aliases: u8,
    /// The least TTL of the aliases so far.
    alias_ttl: u32,
    asked_again: bool,
}

#[derive(Debug)]
enum State {
    Waiting,
    Records(Vec<WithTtl<Bytes>>),
    Nothing,
    Failed,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Lookup {
    name: Name,
    sets: Vec<Set>,
    to_ask: VecDeque<Ask>,
}

impl Lookup {
    /// What NID, L64 and LP say, and `others` of the same name besides.
    pub(crate) fn new(name: Name, others: &[RecordType]) -> Self {
        let mut lookup = Self {
            name: name.clone(),
            sets: Vec::new(),
            to_ask: VecDeque::new(),
        };
        for &rtype in ILNP.iter().chain(others) {
            lookup.add(name.clone(), rtype);
        }
        lookup
    }

    /// The next question, if there is one now.
    pub(crate) fn poll_query(&mut self) -> Option<Ask> {
        self.to_ask.pop_front()
    }

    /// Takes the answer to a question.
    pub(crate) fn handle_answer(&mut self, ask: &Ask, answer: Answer) {
        let Some(set) = self.sets.get_mut(ask.set) else {
            return;
        };
        set.state = match answer {
            Answer::Records(mut records) => {
                for record in &mut records {
                    record.ttl = record.ttl.min(set.alias_ttl);
                }
                State::Records(records)
            }
            Answer::Nothing { .. } => State::Nothing,
            Answer::Alias { .. } if set.aliases == MAX_ALIASES => State::Failed,
            Answer::Alias { target, ttl } => {
                set.aliases += 1;
                set.alias_ttl = set.alias_ttl.min(ttl);
                let query = Query {
                    name: target,
                    rtype: set.rtype,
                };
                self.to_ask.push_back(Ask {
                    query,
                    ..ask.clone()
                });
                return;
            }
            Answer::Failed => State::Failed,
        };
        if set.rtype == RecordType::LP && set.owner == self.name {
            self.ask_targets();
        }
        self.ask_again();
    }

    /// Whether the ILNP records are all there, whatever the others say.
    pub(crate) fn is_decided(&self) -> bool {
        let decided = |set: &Set| !matches!(set.state, State::Waiting);
        let mut ilnp = self.sets.iter().filter(|set| ILNP.contains(&set.rtype));
        ilnp.all(decided)
    }

    /// What is known so far.
    pub(crate) fn records(&self) -> Records {
        let own = |rtype| self.set(&self.name, rtype);
        let targets = self.sets.iter().filter(|set| set.owner != self.name);
        let unanswered = self
            .sets
            .iter()
            .filter(|set| matches!(set.state, State::Failed | State::Waiting));
        Records {
            name: self.name.clone(),
            nid: best(own(RecordType::NID), Nid::from_wire, |nid| nid.preference),
            l64: best(own(RecordType::L64), L64::from_wire, |l64| l64.preference),
            lp: self.lp(),
            lp_l64: targets
                .map(|set| {
                    let l64 = best(Some(set), L64::from_wire, |l64| l64.preference);
                    (set.owner.clone(), l64)
                })
                .collect(),
            aaaa: best(own(RecordType::AAAA), aaaa, |_| ()),
            unanswered: unanswered
                .map(|set| (set.owner.clone(), set.rtype))
                .collect(),
        }
    }

    /// LP records that do not point at their own owner (RFC 6742 §2.4.1.2).
    fn lp(&self) -> Vec<WithTtl<Lp>> {
        let mut lp = best(self.set(&self.name, RecordType::LP), Lp::from_wire, |lp| {
            lp.preference
        });
        lp.retain(|lp| lp.data.check_owner(&self.name).is_ok());
        lp
    }

    /// One level of indirection and no more: of a target only its L64 records count (DU-05).
    fn ask_targets(&mut self) {
        for lp in self.lp().into_iter().take(MAX_TARGETS) {
            if self.set(&lp.data.target, RecordType::L64).is_none() {
                self.add(lp.data.target, RecordType::L64);
            }
        }
    }

    /// Asks once more for what is missing when the other half of a correspondent is there: one
    /// empty reply is not "no ILNP".
    fn ask_again(&mut self) {
        if !self.is_decided() {
            return;
        }
        let there = |set: &Set| matches!(set.state, State::Records(_));
        let nid = self.set(&self.name, RecordType::NID).is_some_and(there);
        let l64 = self
            .sets
            .iter()
            .any(|set| set.rtype == RecordType::L64 && there(set));
        let lp = self.set(&self.name, RecordType::LP).is_some_and(there);
        for index in 0..self.sets.len() {
            let set = &mut self.sets[index];
            let doubtful = match set.rtype {
                RecordType::NID => !nid && (l64 || lp),
                RecordType::L64 | RecordType::LP => nid && !l64,
                _ => false,
            };
            if doubtful && matches!(set.state, State::Nothing) && !set.asked_again {
                set.asked_again = true;
                set.state = State::Waiting;
                let query = Query {
                    name: set.owner.clone(),
                    rtype: set.rtype,
                };
                self.to_ask.push_back(Ask {
                    query,
                    again: true,
                    set: index,
                });
            }
        }
    }

    fn add(&mut self, owner: Name, rtype: RecordType) {
        let query = Query {
            name: owner.clone(),
            rtype,
        };
        self.to_ask.push_back(Ask {
            query,
            again: false,
            set: self.sets.len(),
        });
        self.sets.push(Set {
            owner,
            rtype,
            state: State::Waiting,
            aliases: 0,
            alias_ttl: u32::MAX,
            asked_again: false,
        });
    }

    fn set(&self, owner: &Name, rtype: RecordType) -> Option<&Set> {
        let mut sets = self.sets.iter();
        sets.find(|set| set.rtype == rtype && set.owner == *owner)
    }
}

/// The well-formed records of a set, the most preferred first. Malformed ones are passed over.
fn best<T, E, P: Ord>(
    set: Option<&Set>,
    read: impl Fn(&[u8]) -> Result<T, E>,
    preference: impl Fn(&T) -> P,
) -> Vec<WithTtl<T>> {
    let Some(State::Records(records)) = set.map(|set| &set.state) else {
        return Vec::new();
    };
    let mut records: Vec<_> = records
        .iter()
        .filter_map(|record| {
            let data = read(&record.data).ok()?;
            let ttl = record.ttl;
            Some(WithTtl { data, ttl })
        })
        .collect();
    records.sort_by_key(|record| preference(&record.data));
    records.truncate(MAX_RECORDS);
    records
}

fn aaaa(rdata: &[u8]) -> Result<Ipv6Addr, core::array::TryFromSliceError> {
    <[u8; 16]>::try_from(rdata).map(Ipv6Addr::from)
}

#[cfg(test)]
mod tests;
