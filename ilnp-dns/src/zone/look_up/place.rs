//! Where a name lies in a zone.

use crate::name::Name;
use crate::record::RecordType;
use crate::zone::Zone;
use crate::zone::node::{Node, RrSet};
use crate::zone::path::{Hashing, Path};

/// What a name meets on the way down from the apex.
pub(super) enum Place<'a> {
    /// It exists, or a wildcard stands for it.
    At(&'a Node),
    /// These NS records hand it to another zone.
    Cut(&'a Node, &'a RrSet),
    /// It is below this DNAME record.
    Below(&'a Node, &'a RrSet),
    /// It does not exist.
    Nothing,
}

/// The label of wildcards.
const ASTERISK: &[u8] = b"\x01*";

impl Zone {
    /// Goes down to a name. DS records belong to the zone above the cut (RFC 4035 §3.1.4.1).
    pub(super) fn place(&self, name: &Name, rtype: RecordType) -> Place<'_> {
        let Some(path) = Path::new(&self.origin, name) else {
            return Place::Nothing;
        };
        let (mut node, mut hashing) = (self.apex(), Hashing::of_origin(&self.hasher));
        for (passed, wire) in path.names().enumerate() {
            if let Some(set) = node.sets.get(RecordType::DNAME) {
                return Place::Below(node, set);
            }
            let next = hashing.below(wire);
            let Some(below) = self.node_of(next.finish(), wire) else {
                return self.wildcard(node, &hashing);
            };
            let last = passed + 1 == path.labels();
            if let Some(set) = below.sets.get(RecordType::NS)
                && !(last && rtype == RecordType::DS)
            {
                return Place::Cut(below, set);
            }
            (node, hashing) = (below, next);
        }
        Place::At(node)
    }

    /// The wildcard below the closest name that exists (RFC 4592 §3.3.1).
    fn wildcard(&self, closest: &Node, hashing: &Hashing) -> Place<'_> {
        if closest.children == 0 {
            return Place::Nothing;
        }
        let hash = hashing.below(ASTERISK).finish();
        let wildcard = self.nodes.get(hash, |node| {
            let above = node.name.wire().strip_prefix(ASTERISK);
            above.is_some_and(|above| above.eq_ignore_ascii_case(closest.name.wire()))
        });
        wildcard.map_or(Place::Nothing, |node| Place::At(node))
    }

    fn node_of(&self, hash: u64, wire: &[u8]) -> Option<&Node> {
        let same = |node: &std::sync::Arc<Node>| node.name.wire().eq_ignore_ascii_case(wire);
        self.nodes.get(hash, same).map(AsRef::as_ref)
    }
}
