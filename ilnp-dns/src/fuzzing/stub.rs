//! The stub resolver between an application's octets and an upstream's.

use core::net::Ipv6Addr;
use std::collections::HashSet;

use ilnp_core::id::Locator;

use crate::message::{Message, Opcode, Question, Rcode};
use crate::raw::{self, Raw, Unsound};
use crate::record::{Class, RecordType};
use crate::resolve::{Answer, Lookup, Query, follow, reverse};
use crate::stub::synthesis;

const PREFIX: Locator = Locator::from_bits(0xfd69_6c6e_7000_2627);
/// Octets of a UDP response without EDNS.
const PLAIN_UDP: usize = 512;

/// A request of an application: what is answered can be read, has its identifier and question, and
/// fits.
pub fn stub_request(data: &[u8]) {
    let raw = match Raw::read_request(data) {
        Ok(raw) => raw,
        Err(Unsound::Unanswerable) => {
            assert!(data.len() < raw::HEADER || data[2] & 0x80 != 0);
            return;
        }
        Err(Unsound::Answer(rcode)) => {
            answers(data, &raw::refusal(data, rcode), rcode);
            return;
        }
    };
    answers(data, &raw::refusal(data, Rcode::SERVFAIL), Rcode::SERVFAIL);
    let name = &raw.question.name;
    if let Some(address) = reverse::address(name) {
        assert_eq!(reverse::name(address), *name);
    }
    let Ok(request) = Message::from_wire(data) else {
        return;
    };
    for (response, rcode) in [
        (
            synthesis::handle(&request, None, Ipv6Addr::LOCALHOST, 5),
            Rcode::NOERROR,
        ),
        (
            synthesis::pointer(&request, PREFIX, Some(name)),
            Rcode::NOERROR,
        ),
        (synthesis::pointer(&request, PREFIX, None), Rcode::NXDOMAIN),
        (
            synthesis::response(&request, Rcode::SERVFAIL),
            Rcode::SERVFAIL,
        ),
    ] {
        let wire = response.to_wire(PLAIN_UDP);
        assert!(wire.len() <= PLAIN_UDP);
        answers(data, &wire, rcode);
        let read = Message::from_wire(&wire).unwrap();
        assert_eq!(read.edns.is_some(), request.edns.is_some());
    }
}

/// Whether `response` is one to `request`.
fn answers(request: &[u8], response: &[u8], rcode: Rcode) {
    assert_eq!(response[..2], request[..2]);
    let read = Message::from_wire(response).unwrap();
    assert!(read.response && read.rcode == rcode);
    let asked = Raw::read(request).map(|raw| raw.question);
    let told = Raw::read(response).map(|raw| raw.question);
    assert_eq!(told, asked);
}

/// A reply of an upstream, to every question of a look-up: it ends soon, and what it finds is in
/// order. The reply can be cut, and its aliases go into answers.
pub fn stub_reply(data: &[u8]) {
    if let Some(cut) = raw::cut(data) {
        assert!(cut.len() <= data.len());
        assert!(Message::from_wire(&cut).unwrap().truncated);
    }
    let Ok(reply) = Message::from_wire(data) else {
        return;
    };
    let name = reply
        .questions
        .first()
        .map(|question| question.name.clone());
    let name = name.unwrap_or_else(|| "vm1.example.org.".parse().unwrap());
    let mut lookup = Lookup::new(name.clone(), &[RecordType::AAAA]);
    let mut asked = 0;
    while let Some(ask) = lookup.poll_query() {
        asked += 1;
        assert!(asked < 200);
        let answer = Answer::read(&reply, &ask.query);
        lookup.handle_answer(&ask, answer);
    }
    assert!(lookup.is_decided());
    if let Some(found) = lookup.records().found() {
        let mut seen = HashSet::new();
        assert!(!found.locators.is_empty());
        assert!(
            found
                .locators
                .iter()
                .all(|place| seen.insert(place.locator))
        );
        assert!(found.locators.is_sorted_by_key(|place| place.preference));
        assert!(found.locators.iter().all(|place| place.ttl >= found.ttl));
    }
    alias(
        &reply,
        &Query {
            name,
            rtype: RecordType::AAAA,
        },
    );
}

/// A handle behind the reply's aliases stands at their end.
fn alias(reply: &Message, query: &Query) {
    let request = Message {
        questions: vec![Question {
            name: query.name.clone(),
            rtype: query.rtype,
            class: Class::IN,
        }],
        ..Message::request(1, Opcode::QUERY)
    };
    let (aliases, end) = follow(&reply.answers, &query.name);
    let response = synthesis::handle(&request, Some(reply), Ipv6Addr::LOCALHOST, 5);
    assert_eq!(response.answers.len(), aliases.len() + 1);
    assert_eq!(response.answers.last().unwrap().name, end);
    assert!(Message::from_wire(&response.to_wire(usize::from(u16::MAX))).is_ok());
}
