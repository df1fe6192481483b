//! What a look-up finds.

use std::borrow::Cow;

use bytes::Bytes;

use crate::message::Rcode;
use crate::name::Name;
use crate::record::{Class, Record, RecordType};
use crate::zone::node::RrSet;

/// The sections of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// How it went.
    pub rcode: Rcode,
    /// Whether the zone has authority over the answer: not so when another zone has it.
    pub authoritative: bool,
    /// The answer section.
    pub answers: Vec<View<'a>>,
    /// The authority section.
    pub authorities: Vec<View<'a>>,
    /// Additional records without which a referral is of no use: a response that has no space for
    /// them is truncated (RFC 9471 §3).
    pub glue: Vec<View<'a>>,
    /// Additional records that may save a question, in the order of their use: those for which
    /// there is no space are left out, and are never the cause of truncation (RFC 6742 §1.2).
    pub extras: Vec<View<'a>>,
}

/// An RRset as a response shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// The owner: that which was asked for, when a wildcard stands for it.
    pub owner: Cow<'a, Name>,
    /// The type.
    pub rtype: RecordType,
    /// The TTL.
    pub ttl: u32,
    /// RDATA of each record.
    pub rdatas: Cow<'a, [Bytes]>,
}

impl Default for Found<'_> {
    fn default() -> Self {
        Self {
            rcode: Rcode::NOERROR,
            authoritative: true,
            answers: Vec::new(),
            authorities: Vec::new(),
            glue: Vec::new(),
            extras: Vec::new(),
        }
    }
}

impl<'a> View<'a> {
    pub(super) fn of(owner: Cow<'a, Name>, set: &'a RrSet) -> Self {
        Self {
            owner,
            rtype: set.rtype,
            ttl: set.ttl,
            rdatas: Cow::Borrowed(&set.rdatas),
        }
    }

    /// Its records, of the zone's class.
    pub fn records(&self, class: Class) -> impl Iterator<Item = Record> {
        self.rdatas.iter().map(move |rdata| Record {
            name: self.owner.as_ref().clone(),
            rtype: self.rtype,
            class,
            ttl: self.ttl,
            rdata: rdata.clone(),
        })
    }
}
