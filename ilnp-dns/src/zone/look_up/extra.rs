//! Additional data: records that whoever asks is likely to ask for next (RFC 6742 §2, §3.2).

use std::borrow::Cow;

use super::found::{Found, View};
use super::place::Place;
use crate::name::Name;
use crate::record::RecordType;
use crate::zone::node::{Node, RrSet};
use crate::zone::{Zone, fields};

/// Which answers come with the ILNP records of their owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extras {
    /// Those to questions for ILNP records and for addresses: a host that asks for AAAA learns
    /// that ILNP can be used (RFC 6740 §8).
    #[default]
    WithAddresses,
    /// Those to questions for ILNP records alone, which is how RFC 6742 §1.2 reads.
    IlnpTypes,
}

impl Zone {
    /// Adds what goes with an answer.
    pub(super) fn add_extras<'a>(
        &'a self,
        found: &mut Found<'a>,
        node: &'a Node,
        name: Cow<'a, Name>,
        answer: &'a RrSet,
        extras: Extras,
    ) {
        let rtype = answer.rtype;
        let pointing = points_at_host(rtype).then_some(&answer.rdatas);
        for rdata in pointing.into_iter().flatten() {
            let target = fields::target(rtype, rdata);
            if let Some(target) = target.filter(|target| target.is_within(&self.origin)) {
                self.add_target(found, &target, rtype);
            }
        }
        self.add_own_extras(found, node, name, rtype, extras);
    }

    /// Adds other records of the name itself.
    pub(super) fn add_own_extras<'a>(
        &'a self,
        found: &mut Found<'a>,
        node: &'a Node,
        name: Cow<'a, Name>,
        rtype: RecordType,
        extras: Extras,
    ) {
        for rtype in own_types(rtype, extras) {
            let set = node.sets.get(*rtype);
            let view = set.map(|set| View::of(name.clone(), set));
            found.extras.extend(view);
        }
    }

    /// Adds what the target of an LP, NS, MX or SRV record holds.
    fn add_target<'a>(&'a self, found: &mut Found<'a>, target: &Name, rtype: RecordType) {
        let types: &[RecordType] = match rtype {
            RecordType::LP => &[RecordType::L64, RecordType::L32],
            _ => &[RecordType::AAAA, RecordType::A],
        };
        let Place::At(node) = self.place(target, types[0]) else {
            return;
        };
        for rtype in types {
            let set = node.sets.get(*rtype);
            let view = set.map(|set| View::of(Cow::Owned(target.clone()), set));
            let view = view.filter(|view| !found.extras.contains(view));
            found.extras.extend(view);
        }
    }
}

fn points_at_host(rtype: RecordType) -> bool {
    use RecordType as T;
    matches!(rtype, T::LP | T::NS | T::MX | T::SRV)
}

/// The types that go with an answer, at the same name (RFC 6742 §2.1.4, §2.2.4, §2.3.4, §2.4.4).
fn own_types(rtype: RecordType, extras: Extras) -> &'static [RecordType] {
    use RecordType as T;
    match rtype {
        T::NID => &[T::L64, T::LP, T::L32],
        T::L64 => &[T::NID, T::LP, T::L32],
        T::L32 => &[T::NID, T::L64, T::LP],
        T::LP => &[T::L64, T::L32],
        T::AAAA | T::A if extras == Extras::WithAddresses => &[T::NID, T::L64, T::LP, T::L32],
        _ => &[],
    }
}
