//! Responses that the stub resolver makes itself.

use core::net::Ipv6Addr;

use bytes::Bytes;
use ilnp_core::id::Locator;

use crate::message::{Edns, Message, Rcode};
use crate::name::Name;
use crate::record::{Class, Record, RecordType};
use crate::resolve::{follow, reverse};

/// Seconds for which what is told of a handle may be kept: its correspondent may get a name.
const HANDLE_TTL: u32 = 5;
/// What the stub resolver can take over UDP (RFC 9715 §3).
const UDP_PAYLOAD: u16 = 1232;

/// A response to `request` without records. OPT is answered with OPT (RFC 6891 §6.1.1).
pub(crate) fn response(request: &Message, rcode: Rcode) -> Message {
    let edns = request.edns.as_ref().map(|edns| Edns {
        version: 0,
        udp_payload: UDP_PAYLOAD,
        dnssec_ok: edns.dnssec_ok,
    });
    Message {
        response: true,
        recursion_desired: request.recursion_desired,
        recursion_available: true,
        checking_disabled: request.checking_disabled,
        rcode,
        questions: request.questions.clone(),
        edns,
        ..Message::request(request.id, request.opcode)
    }
}

/// AAAA: the handle, behind the aliases that the classic answer shows.
pub(crate) fn handle(
    request: &Message,
    classic: Option<&Message>,
    address: Ipv6Addr,
    ttl: u32,
) -> Message {
    let (mut response, owner) = aliased(request, classic);
    response.answers.push(Record {
        name: owner,
        rtype: RecordType::AAAA,
        class: Class::IN,
        ttl,
        rdata: Bytes::copy_from_slice(&address.octets()),
    });
    response
}

/// A: no such records, behind the aliases that the classic answer shows. `soa` is the zone's.
pub(crate) fn hidden(
    request: &Message,
    classic: Option<&Message>,
    soa: Option<Record>,
    ttl: u32,
) -> Message {
    let (mut response, _owner) = aliased(request, classic);
    response.authorities.extend(soa.map(|soa| Record {
        ttl: soa.ttl.min(ttl),
        ..soa
    }));
    response
}

/// PTR of a handle: the correspondent's name; without one, that there is none.
pub(crate) fn pointer(request: &Message, prefix: Locator, name: Option<&Name>) -> Message {
    let rtype = request.questions.first().map(|question| question.rtype);
    let record = |owner: Name, rtype, rdata| Record {
        name: owner,
        rtype,
        class: Class::IN,
        ttl: HANDLE_TTL,
        rdata,
    };
    let rcode = match name {
        Some(_) => Rcode::NOERROR,
        None => Rcode::NXDOMAIN,
    };
    let mut response = response(request, rcode);
    match (name, request.questions.first()) {
        (Some(name), Some(question)) if rtype == Some(RecordType::PTR) => {
            let rdata = Bytes::copy_from_slice(name.wire());
            let owner = question.name.clone();
            response.answers.push(record(owner, RecordType::PTR, rdata));
        }
        _ => {
            let zone = reverse::zone(prefix);
            let soa = soa(&zone).into();
            response
                .authorities
                .push(record(zone, RecordType::SOA, soa));
        }
    }
    response
}

/// The SOA record of a zone that only this host has (as RFC 6303 §3 does for such zones).
fn soa(zone: &Name) -> Vec<u8> {
    const MAILBOX: &[u8] = b"\x06nobody\x07invalid\x00";
    const SERIAL: u32 = 1;
    const REFRESH: u32 = 3600;
    const RETRY: u32 = 1200;
    const EXPIRE: u32 = 604_800;
    let mut rdata = [zone.wire(), MAILBOX].concat();
    for number in [SERIAL, REFRESH, RETRY, EXPIRE, HANDLE_TTL] {
        rdata.extend_from_slice(&number.to_be_bytes());
    }
    rdata
}

/// A response with the aliases from the classic answer, and the name at their end.
fn aliased(request: &Message, classic: Option<&Message>) -> (Message, Name) {
    let mut response = response(request, Rcode::NOERROR);
    let name = request
        .questions
        .first()
        .map(|question| question.name.clone());
    let name = name.unwrap_or_else(Name::root);
    let answers = classic.map_or(&[][..], |classic| &classic.answers);
    let (aliases, owner) = follow(answers, &name);
    response.answers.extend(aliases.into_iter().cloned());
    (response, owner)
}
