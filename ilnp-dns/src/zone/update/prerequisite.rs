//! What must hold for an update to be done (RFC 2136 §3.2).

use std::collections::BTreeMap;

use super::{UpdateError, form};
use crate::message::Rcode;
use crate::name::Name;
use crate::record::{Class, Record, RecordType};
use crate::zone::node::RrSet;
use crate::zone::{Zone, fields};

/// Checks the prerequisite section.
pub(super) fn check(zone: &Zone, records: &[Record]) -> Result<(), UpdateError> {
    let mut wanted: BTreeMap<(&Name, RecordType), Vec<&[u8]>> = BTreeMap::new();
    for record in records {
        check_form(zone, record)?;
        if record.class == zone.class() {
            let rdatas = wanted.entry((&record.name, record.rtype)).or_default();
            rdatas.push(&record.rdata);
        } else {
            check_presence(zone, record)?;
        }
    }
    for ((name, rtype), rdatas) in wanted {
        let set = zone.node(name).and_then(|node| node.sets.get(rtype));
        if !set.is_some_and(|set| is_just(set, &rdatas)) {
            return Err(UpdateError::Prerequisite {
                name: name.clone(),
                rtype,
                rcode: Rcode::NXRRSET,
            });
        }
    }
    Ok(())
}

fn check_form(zone: &Zone, record: &Record) -> Result<(), UpdateError> {
    if record.ttl != 0 {
        return Err(form(record, "is a prerequisite, but has a TTL"));
    }
    if !record.name.is_within(zone.origin()) {
        return Err(UpdateError::NotInZone(record.name.clone()));
    }
    let about_presence = matches!(record.class, Class::ANY | Class::NONE);
    if about_presence && !record.rdata.is_empty() {
        return Err(form(record, "is about presence alone, but has RDATA"));
    }
    if !about_presence && record.class != zone.class() {
        return Err(form(record, "has a class that means nothing in an update"));
    }
    Ok(())
}

/// §3.2.1 and §3.2.2: whether a name or a set is there, or is not.
fn check_presence(zone: &Zone, record: &Record) -> Result<(), UpdateError> {
    let sets = zone.node(&record.name).map(|node| &node.sets);
    let (present, absent_code, present_code) = match record.rtype {
        RecordType::ANY => {
            let present = sets.is_some_and(|sets| !sets.is_empty());
            (present, Rcode::NXDOMAIN, Rcode::YXDOMAIN)
        }
        rtype => {
            let present = sets.is_some_and(|sets| sets.has(rtype));
            (present, Rcode::NXRRSET, Rcode::YXRRSET)
        }
    };
    let wanted = record.class == Class::ANY;
    if present == wanted {
        return Ok(());
    }
    Err(UpdateError::Prerequisite {
        name: record.name.clone(),
        rtype: record.rtype,
        rcode: if wanted { absent_code } else { present_code },
    })
}

/// §3.2.3: whether a set has these members, no more and no fewer. A member may be named twice.
fn is_just(set: &RrSet, rdatas: &[&[u8]]) -> bool {
    let wanted = |rdata: &[u8]| {
        let mut same = rdatas
            .iter()
            .map(|wanted| fields::same(set.rtype, wanted, rdata));
        same.any(|same| same)
    };
    rdatas.iter().all(|rdata| set.holds(rdata)) && set.rdatas.iter().all(|rdata| wanted(rdata))
}
