//! Answers to questions (RFC 1034 §4.3.2, RFC 4592, RFC 6672), in a time that does not depend on
//! the size of the zone.

mod extra;
mod found;
mod place;
mod synthesis;

use std::borrow::Cow;

use super::node::{Node, RrSet};
use super::{Zone, fields};
use crate::message::{Question, Rcode};
use crate::name::Name;
use crate::record::RecordType;

pub use extra::Extras;
pub use found::{Found, View};
use place::Place;

/// How many aliases in a row are followed.
const MAX_ALIASES: usize = 16;

impl Zone {
    /// Answers a question about a name of the zone, of the zone's class.
    ///
    /// A question about another name is refused.
    pub fn look_up<'a>(&'a self, question: &'a Question, extras: Extras) -> Found<'a> {
        let mut found = Found::default();
        if !question.name.is_within(&self.origin) {
            found.rcode = Rcode::REFUSED;
            found.authoritative = false;
            return found;
        }
        let mut name = Cow::Borrowed(&question.name);
        for _ in 0..MAX_ALIASES {
            match self.answer(&mut found, name, question.rtype, extras) {
                Some(alias) if self.is_new(&alias, &found) => name = Cow::Owned(alias),
                _ => break,
            }
        }
        found
    }

    /// Whether an alias leads to a name of this zone that was not answered for yet.
    fn is_new(&self, alias: &Name, found: &Found<'_>) -> bool {
        let seen = found.answers.iter().any(|view| *view.owner == *alias);
        alias.is_within(&self.origin) && !seen
    }

    /// Answers for one name; gives the next name where this one is an alias.
    fn answer<'a>(
        &'a self,
        found: &mut Found<'a>,
        name: Cow<'a, Name>,
        rtype: RecordType,
        extras: Extras,
    ) -> Option<Name> {
        match self.place(&name, rtype) {
            Place::Cut(cut, servers) => self.refer(found, cut, servers),
            Place::Below(node, set) => return rename(found, name, node, set),
            Place::Nothing => {
                found.rcode = Rcode::NXDOMAIN;
                self.deny(found);
            }
            Place::At(node) => {
                if let Some(set) = alias(node, rtype) {
                    found.answers.push(View::of(name, set));
                    return fields::target(RecordType::CNAME, set.rdatas.first()?);
                }
                self.answer_from(found, node, name, rtype, extras);
            }
        }
        None
    }

    fn answer_from<'a>(
        &'a self,
        found: &mut Found<'a>,
        node: &'a Node,
        name: Cow<'a, Name>,
        rtype: RecordType,
        extras: Extras,
    ) {
        if rtype == RecordType::ANY && !node.sets.is_empty() {
            let views = node.sets.iter().map(|set| View::of(name.clone(), set));
            found.answers.extend(views);
        } else if let Some(set) = node.sets.get(rtype) {
            found.answers.push(View::of(name.clone(), set));
            self.add_extras(found, node, name, set, extras);
        } else if let Some(made) = self.synthesise(node, &name, rtype) {
            found.answers.push(made);
            self.add_own_extras(found, node, name, rtype, extras);
        } else {
            self.deny(found);
        }
    }

    /// Says that there is nothing, and for how long that holds (RFC 2308 §3).
    fn deny<'a>(&'a self, found: &mut Found<'a>) {
        let Some(set) = self.apex().sets.get(RecordType::SOA) else {
            return;
        };
        let mut view = View::of(Cow::Borrowed(&self.origin), set);
        let minimum = set.rdatas.first();
        let minimum = minimum.and_then(|rdata| super::serial::negative_ttl(rdata));
        view.ttl = view.ttl.min(minimum.unwrap_or(0));
        found.authorities.push(view);
    }

    /// Names the servers of a zone below, with their addresses (RFC 9471).
    fn refer<'a>(&'a self, found: &mut Found<'a>, cut: &'a Node, servers: &'a RrSet) {
        // Behind an alias the first name is still answered with authority (RFC 2181 §6.1).
        found.authoritative = !found.answers.is_empty();
        let signer = cut.sets.get(RecordType::DS);
        let sets = [Some(servers), signer].into_iter().flatten();
        let views = sets.map(|set| View::of(Cow::Borrowed(&cut.name), set));
        found.authorities.extend(views);
        for rdata in &servers.rdatas {
            let server = fields::target(RecordType::NS, rdata);
            let glue = server.and_then(|server| self.node(&server));
            for rtype in [RecordType::AAAA, RecordType::A] {
                let set = glue.and_then(|node| Some((node, node.sets.get(rtype)?)));
                let view = set.map(|(node, set)| View::of(Cow::Borrowed(&node.name), set));
                found.glue.extend(view);
            }
        }
    }
}

/// The CNAME set that stands for a name, unless it is what was asked for.
fn alias(node: &Node, rtype: RecordType) -> Option<&RrSet> {
    let followed = !matches!(
        rtype,
        RecordType::CNAME | RecordType::ANY | RecordType::RRSIG
    );
    followed.then(|| node.sets.get(RecordType::CNAME))?
}

/// Answers for a name below a DNAME record with the name that it is renamed to (RFC 6672 §3.1).
fn rename<'a>(
    found: &mut Found<'a>,
    name: Cow<'a, Name>,
    node: &'a Node,
    set: &'a RrSet,
) -> Option<Name> {
    found.answers.push(View::of(Cow::Borrowed(&node.name), set));
    let above = fields::target(RecordType::DNAME, set.rdatas.first()?)?;
    let kept = name.wire().len() - node.name.wire().len();
    let renamed = [&name.wire()[..kept], above.wire()].concat();
    let Ok(renamed) = Name::from_wire(&renamed) else {
        // It would be longer than a name can be.
        found.rcode = Rcode::YXDOMAIN;
        return None;
    };
    found.answers.push(View {
        owner: name,
        rtype: RecordType::CNAME,
        ttl: set.ttl,
        rdatas: Cow::Owned(vec![renamed.wire().to_vec().into()]),
    });
    Some(renamed)
}
