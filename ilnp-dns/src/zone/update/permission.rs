//! Whether a key may do what an update asks for (RFC 2136 §3.3).

use super::UpdateError;
use crate::name::Name;
use crate::record::{Class, Record, RecordType};
use crate::zone::{Grants, Zone};

/// Checks one record of the update section. Who deletes a whole name needs a grant for each type
/// that it has.
pub(super) fn check(
    zone: &Zone,
    record: &Record,
    grants: &Grants,
    key: &Name,
) -> Result<(), UpdateError> {
    let (name, rtype) = (&record.name, record.rtype);
    let refused = |rtype| UpdateError::NotGranted {
        key: key.clone(),
        name: name.clone(),
        rtype,
    };
    if record.class != Class::ANY || rtype != RecordType::ANY {
        let allowed = grants.allow(key, name, rtype);
        return allowed.then_some(()).ok_or_else(|| refused(rtype));
    }
    if !grants.allow_name(key, name) {
        return Err(refused(rtype));
    }
    let at_apex = *name == *zone.origin();
    let stays = |rtype| at_apex && matches!(rtype, RecordType::SOA | RecordType::NS);
    let mut sets = zone
        .node(name)
        .into_iter()
        .flat_map(|node| node.sets.iter());
    let other = sets.find(|set| !stays(set.rtype) && !grants.allow(key, name, set.rtype));
    other.map_or(Ok(()), |set| Err(refused(set.rtype)))
}
