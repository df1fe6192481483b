//! What DNS holds for a name.

use core::net::Ipv6Addr;

use crate::name::Name;
use crate::rdata::{L64, Lp, Nid};
use crate::record::RecordType;

/// A record's data, and for how many seconds it may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithTtl<T> {
    /// The data.
    pub data: T,
    /// Seconds, of the record or of an alias (CNAME) that led to it if that is less.
    pub ttl: u32,
}

/// Everything about ILNP that was found out about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// The name that was asked for.
    pub name: Name,
    /// Its NID records, best first.
    pub nid: Vec<WithTtl<Nid>>,
    /// Its own L64 records, best first.
    pub l64: Vec<WithTtl<L64>>,
    /// Its LP records, best first, without those that point at their own owner.
    pub lp: Vec<WithTtl<Lp>>,
    /// The L64 records of the names that the LP records point at.
    pub lp_l64: Vec<(Name, Vec<WithTtl<L64>>)>,
    /// Its AAAA records, if they were asked for.
    pub aaaa: Vec<WithTtl<Ipv6Addr>>,
    /// The questions that nobody answered.
    pub unanswered: Vec<(Name, RecordType)>,
}

impl Records {
    /// Whether DNS says that the name is none of an ILNP node: everything was answered, and it
    /// does not describe a correspondent.
    pub fn is_classic(&self) -> bool {
        self.unanswered.is_empty() && self.found().is_none()
    }

    /// Whether not one question about ILNP was answered.
    pub(super) fn answered_nothing(&self) -> bool {
        let ilnp = |rtype| matches!(rtype, RecordType::NID | RecordType::L64 | RecordType::LP);
        let silent = self.unanswered.iter().filter(|(_, rtype)| ilnp(*rtype));
        silent.count() >= 3
    }
}
