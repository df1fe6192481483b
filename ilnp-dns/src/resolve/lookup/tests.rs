use std::collections::HashMap;

use super::*;
use crate::message::{Message, Opcode, Rcode};
use crate::record::{Class, Record};

/// What a name server answers: for each question its answers one after the other, the last one
/// for good. What is not listed does not exist.
#[derive(Default)]
struct Server {
    answers: HashMap<Query, VecDeque<Answer>>,
    asked: Vec<(String, RecordType, bool)>,
}

fn query(name: &str, rtype: RecordType) -> Query {
    Query {
        name: name.parse().unwrap(),
        rtype,
    }
}

/// Records in their presentation format, with a TTL of 5 s.
fn records(rtype: RecordType, texts: &[&str]) -> Answer {
    let rdata = |text: &&str| match rtype {
        RecordType::NID => text.parse::<Nid>().unwrap().to_wire(),
        RecordType::L64 => text.parse::<L64>().unwrap().to_wire(),
        RecordType::LP => text.parse::<Lp>().unwrap().to_wire(),
        _ => text.parse::<Ipv6Addr>().unwrap().octets().to_vec(),
    };
    let record = |text| WithTtl {
        data: rdata(text).into(),
        ttl: 5,
    };
    Answer::Records(texts.iter().map(record).collect())
}

const NOTHING: Answer = Answer::Nothing { ttl: 5 };

impl Server {
    fn has(mut self, name: &str, rtype: RecordType, texts: &[&str]) -> Self {
        let answers = self.answers.entry(query(name, rtype)).or_default();
        answers.push_back(records(rtype, texts));
        self
    }

    fn says(mut self, name: &str, rtype: RecordType, answer: Answer) -> Self {
        let answers = self.answers.entry(query(name, rtype)).or_default();
        answers.push_back(answer);
        self
    }

    fn resolve(&mut self, name: &str) -> Records {
        let mut lookup = Lookup::new(name.parse().unwrap(), &[RecordType::AAAA]);
        while let Some(ask) = lookup.poll_query() {
            let Query { name, rtype } = &ask.query;
            self.asked.push((name.to_string(), *rtype, ask.again));
            assert!(self.asked.len() < 50, "{:?}", self.asked);
            let answer = match self.answers.get_mut(&ask.query) {
                Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
                Some(answers) => answers[0].clone(),
                None => NOTHING,
            };
            lookup.handle_answer(&ask, answer);
        }
        assert!(lookup.is_decided());
        lookup.records()
    }

    fn asked(&self, rtype: RecordType) -> usize {
        self.asked.iter().filter(|asked| asked.1 == rtype).count()
    }
}

fn vm1() -> Server {
    Server::default()
        .has("vm1.", RecordType::NID, &["10 0214:4fff:fe20:ee64"])
        .has("vm1.", RecordType::AAAA, &["2001:db8:a::1"])
}

fn locators(records: &Records) -> Vec<String> {
    let found = records.found();
    let locators = found.iter().flat_map(|found| &found.locators);
    locators.map(|l| l.locator.to_string()).collect()
}

#[test]
fn all_four_types_are_asked_for_at_once_and_any_is_not() {
    let mut lookup = Lookup::new("vm1.".parse().unwrap(), &[RecordType::AAAA]);
    let asked: Vec<_> = core::iter::from_fn(|| lookup.poll_query()).collect();
    let types: Vec<_> = asked.iter().map(|ask| ask.query.rtype).collect();
    let expected = [
        RecordType::NID,
        RecordType::L64,
        RecordType::LP,
        RecordType::AAAA,
    ];
    assert_eq!(types, expected);
}

#[test]
fn a_name_with_identifier_and_locators_is_found() {
    let mut server = vm1().has(
        "vm1.",
        RecordType::L64,
        &["20 2001:db8:b:0", "10 2001:db8:a:0"],
    );
    let records = server.resolve("vm1.");
    assert_eq!(locators(&records), ["2001:db8:a::/64", "2001:db8:b::/64"]);
    assert_eq!(
        records.found().unwrap().nid.to_string(),
        "0214:4fff:fe20:ee64"
    );
    assert_eq!(records.aaaa.len(), 1);
    assert!(!records.is_classic());
    assert_eq!(server.asked.len(), 4);
}

#[test]
fn a_name_without_any_is_classic_and_not_asked_for_twice() {
    let mut server = Server::default().has("www.", RecordType::AAAA, &["2001:db8::1"]);
    assert!(server.resolve("www.").is_classic());
    assert_eq!(server.asked.len(), 4);
}

#[test]
fn one_empty_reply_is_not_no_ilnp() {
    for rtype in [RecordType::NID, RecordType::L64] {
        let text = match rtype {
            RecordType::NID => "10 0214:4fff:fe20:ee64",
            _ => "10 2001:db8:a:0",
        };
        let mut server = Server::default().says("vm1.", rtype, NOTHING);
        for present in [RecordType::NID, RecordType::L64] {
            if present != rtype {
                let text = ["10 0214:4fff:fe20:ee64", "10 2001:db8:a:0"];
                let text = text[usize::from(present == RecordType::L64)];
                server = server.has("vm1.", present, &[text]);
            }
        }
        server = server.has("vm1.", rtype, &[text]);
        assert_eq!(locators(&server.resolve("vm1.")), ["2001:db8:a::/64"]);
        assert!(server.asked.contains(&("vm1.".to_owned(), rtype, true)));
    }
}

#[test]
fn an_empty_reply_is_doubted_once() {
    let mut server = vm1();
    assert!(server.resolve("vm1.").is_classic());
    assert_eq!(server.asked(RecordType::L64), 2);
    assert_eq!(server.asked(RecordType::LP), 2);
    assert_eq!(server.asked(RecordType::NID), 1);
}

#[test]
fn an_lp_record_leads_to_locators_one_level_deep() {
    let mut server = vm1()
        .has("vm1.", RecordType::LP, &["10 site.", "20 other."])
        .has("site.", RecordType::L64, &["10 2001:db8:a:0"])
        .has("other.", RecordType::LP, &["10 deeper."])
        .has("deeper.", RecordType::L64, &["10 2001:db8:b:0"]);
    assert_eq!(locators(&server.resolve("vm1.")), ["2001:db8:a::/64"]);
    let deeper = |asked: &(String, RecordType, bool)| asked.0 == "deeper.";
    assert!(!server.asked.iter().any(deeper));
}

#[test]
fn an_lp_record_of_its_own_owner_is_ignored() {
    let mut server = vm1().has("vm1.", RecordType::LP, &["10 VM1."]);
    let records = server.resolve("vm1.");
    assert_eq!((records.lp.len(), records.found()), (0, None));
}

#[test]
fn the_best_lp_records_are_followed_and_the_others_are_not() {
    let texts: Vec<_> = (0..40).map(|n| format!("{} t{n}.", 40 - n)).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let mut server = vm1().has("vm1.", RecordType::LP, &texts);
    let records = server.resolve("vm1.");
    assert_eq!(records.lp.len(), MAX_RECORDS);
    let followed: Vec<_> = records
        .lp_l64
        .iter()
        .map(|(name, _)| name.to_string())
        .collect();
    assert_eq!(
        followed,
        (32..40).rev().map(|n| format!("t{n}.")).collect::<Vec<_>>()
    );
}

#[test]
fn aliases_are_asked_for_and_limit_the_ttl() {
    let alias = |target: &str, ttl| Answer::Alias {
        target: target.parse().unwrap(),
        ttl,
    };
    let mut server = vm1().has("vm1.", RecordType::L64, &["10 2001:db8:a:0"]);
    for rtype in [
        RecordType::NID,
        RecordType::L64,
        RecordType::LP,
        RecordType::AAAA,
    ] {
        server = server.says("www.", rtype, alias("vm1.", 3));
    }
    let found = server.resolve("www.").found().unwrap();
    assert_eq!((found.name.to_string().as_str(), found.ttl), ("www.", 3));
}

#[test]
fn aliases_that_never_end_are_given_up() {
    let mut server = Server::default();
    for rtype in [RecordType::NID, RecordType::L64, RecordType::LP] {
        for (name, target) in [("a.", "b."), ("b.", "a.")] {
            let target = target.parse().unwrap();
            server = server.says(name, rtype, Answer::Alias { target, ttl: 5 });
        }
    }
    let records = server.resolve("a.");
    assert_eq!(records.unanswered.len(), 3);
    assert!(!records.is_classic());
}

#[test]
fn malformed_records_are_passed_over() {
    let short = WithTtl {
        data: Bytes::from_static(&[0, 10, 0x20]),
        ttl: 5,
    };
    let Answer::Records(mut l64) = records(RecordType::L64, &["10 2001:db8:a:0"]) else {
        panic!("records");
    };
    l64.insert(0, short.clone());
    let mut server = vm1().says("vm1.", RecordType::L64, Answer::Records(l64));
    assert_eq!(locators(&server.resolve("vm1.")), ["2001:db8:a::/64"]);
    let mut server = vm1().says("vm1.", RecordType::L64, Answer::Records(vec![short]));
    assert_eq!(server.resolve("vm1.").found(), None);
}

#[test]
fn a_server_that_cannot_say_is_no_empty_reply() {
    let mut server = vm1().says("vm1.", RecordType::L64, Answer::Failed);
    let records = server.resolve("vm1.");
    assert_eq!(
        records.unanswered,
        [("vm1.".parse().unwrap(), RecordType::L64)]
    );
    assert!(!records.is_classic());
}

/// A reply with the records `(section, owner, type, ttl, rdata)`.
fn reply(rcode: Rcode, records: &[(u8, &str, RecordType, u32, &[u8])]) -> Message {
    let mut message = Message::request(1, Opcode::QUERY);
    message.rcode = rcode;
    for &(section, owner, rtype, ttl, rdata) in records {
        let record = Record {
            name: owner.parse().unwrap(),
            rtype,
            class: Class::IN,
            ttl,
            rdata: Bytes::copy_from_slice(rdata),
        };
        match section {
            1 => message.answers.push(record),
            2 => message.authorities.push(record),
            _ => message.additionals.push(record),
        }
    }
    message
}

#[test]
fn replies_are_read() {
    const L64: RecordType = RecordType::L64;
    const CNAME: RecordType = RecordType::CNAME;
    const SOA: (u8, &str, RecordType, u32, &[u8]) =
        (2, ".", RecordType::SOA, 60, &[0, 0, 0, 0, 0, 7]);
    const TO_B: &[u8] = b"\x01b\x00";
    let one = |ttl| {
        let data = Bytes::from_static(b"x");
        Answer::Records(vec![WithTtl { data, ttl }])
    };
    let alias = |target: &str, ttl| Answer::Alias {
        target: target.parse().unwrap(),
        ttl,
    };
    for (rcode, records, expected) in [
        (Rcode::NOERROR, &[(1, "A.", L64, 5, &b"x"[..])][..], one(5)),
        (
            Rcode::NOERROR,
            &[(1, "a.", CNAME, 3, TO_B), (1, "B.", L64, 5, b"x")],
            one(3),
        ),
        (Rcode::NOERROR, &[(1, "a.", CNAME, 3, TO_B)], alias("b.", 3)),
        (
            Rcode::NOERROR,
            &[(1, "a.", CNAME, 3, TO_B), SOA],
            Answer::Nothing { ttl: 3 },
        ),
        (
            Rcode::NXDOMAIN,
            &[(1, "a.", CNAME, 9, TO_B), SOA],
            Answer::Nothing { ttl: 7 },
        ),
        (Rcode::NXDOMAIN, &[SOA], Answer::Nothing { ttl: 7 }),
        (Rcode::NOERROR, &[], Answer::Nothing { ttl: 0 }),
        // Not of this question: another name, another type, additional data.
        (
            Rcode::NOERROR,
            &[(1, "c.", L64, 5, b"x"), SOA],
            Answer::Nothing { ttl: 7 },
        ),
        (
            Rcode::NOERROR,
            &[(1, "a.", RecordType::NID, 5, b"x"), SOA],
            Answer::Nothing { ttl: 7 },
        ),
        (
            Rcode::NOERROR,
            &[(3, "a.", L64, 5, b"x"), SOA],
            Answer::Nothing { ttl: 7 },
        ),
        // An alias of itself.
        (
            Rcode::NOERROR,
            &[(1, "b.", CNAME, 5, TO_B), SOA],
            Answer::Nothing { ttl: 7 },
        ),
        (
            Rcode::NOERROR,
            &[(2, ".", RecordType::NS, 5, TO_B)],
            Answer::Failed,
        ),
        (Rcode::SERVFAIL, &[], Answer::Failed),
        (Rcode::REFUSED, &[SOA], Answer::Failed),
        (Rcode::NOTIMP, &[], Answer::Failed),
    ] {
        let asked = query("a.", L64);
        let message = reply(rcode, records);
        assert_eq!(Answer::read(&message, &asked), expected, "{message:?}");
    }
}
