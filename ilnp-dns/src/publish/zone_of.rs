//! Which zone has a name: any server of the zone tells by its SOA record (RFC 2136 §4.3).

use super::problem::Problem;
use crate::message::{Message, Opcode, Question, Rcode};
use crate::name::Name;
use crate::record::{Class, RecordType};

/// Asks for the SOA record of a name. Nearly always it has none, and the answer has that of its
/// zone (RFC 2308 §3).
pub(super) fn query(name: &Name) -> Message {
    Message {
        questions: vec![Question {
            name: name.clone(),
            rtype: RecordType::SOA,
            class: Class::IN,
        }],
        ..Message::request(0, Opcode::QUERY)
    }
}

/// The zone that an answer tells.
pub(super) fn read(name: &Name, answer: &Message) -> Result<Name, Problem> {
    match answer.rcode {
        Rcode::NOERROR | Rcode::NXDOMAIN => {}
        Rcode::SERVFAIL => return Err(Problem::ServerFailure),
        Rcode::REFUSED | Rcode::NOTAUTH => return Err(Problem::NotServed(name.clone())),
        Rcode(other) => return Err(Problem::Rcode(other)),
    }
    // An update would leave an alias as it is, and say that all is well (RFC 2136 §3.4.2.2).
    let mut answers = answer.answers.iter();
    if answers.any(|record| record.rtype == RecordType::CNAME && record.name == *name) {
        return Err(Problem::Alias(name.clone()));
    }
    let mut records = answer.answers.iter().chain(&answer.authorities);
    let soa = records.find(|one| one.rtype == RecordType::SOA && name.is_within(&one.name));
    let soa = soa.filter(|_soa| answer.authoritative);
    soa.map(|soa| soa.name.clone())
        .ok_or_else(|| Problem::NotServed(name.clone()))
}
