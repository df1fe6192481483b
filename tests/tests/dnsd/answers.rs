//! Answers to questions: RFC 6742 and its additional data.

use tests::dns::answer::{Answer, Record};
use tests::dns::{compose, exchange, rcode, rtype};

use crate::fixture::{Fixture, HOST, TEXT, ZONE};

fn under(host: &str) -> String {
    format!("{host}.{ZONE}")
}

/// Owner and type of the additional records without OPT, sorted.
fn additional(answer: &Answer) -> Vec<(&str, u16)> {
    let records = answer.sections[2].iter();
    let records = records.filter(|record| record.rtype != rtype::OPT);
    let mut found: Vec<_> = records
        .map(|record| (record.owner.as_str(), record.rtype))
        .collect();
    found.sort_unstable();
    found
}

fn only(records: &[Record]) -> &Record {
    assert_eq!(records.len(), 1, "{records:?}");
    &records[0]
}

#[test]
fn records_have_their_wire_forms() {
    let fixture = Fixture::start();
    for (host, kind, wire) in [
        (
            "vm1",
            rtype::NID,
            compose::preferred(10, 0x0214_4fff_fe20_ee64),
        ),
        (
            "vm1",
            rtype::L64,
            compose::preferred(10, 0x2001_0db8_000a_0000),
        ),
        ("vm3", rtype::L32, vec![0, 10, 10, 1, 2, 0]),
        (
            "h9.mob",
            rtype::L64,
            compose::preferred(10, 0x2001_0db8_000e_0000),
        ),
    ] {
        let answer = fixture.ask(&under(host), kind);
        assert!(answer.is_authoritative());
        assert_eq!(answer.data(kind), [wire.as_slice()], "{host}");
    }
    // The target is not compressed (RFC 6742 §2.4.1.2), though the same name is in the question.
    let answer = fixture.ask(&under("vm3"), rtype::LP);
    let wire = [vec![0, 10], compose::name(&under("site"))].concat();
    assert_eq!(answer.data(rtype::LP), [wire.as_slice()]);
}

#[test]
fn ttls_are_kept_and_zero_is_one() {
    let fixture = Fixture::start();
    for (host, kind, ttl) in [
        ("vm1", rtype::NID, 3600),
        ("vm1", rtype::L64, 5),
        ("vm2", rtype::L64, 0),
    ] {
        let answer = fixture.ask(&under(host), kind);
        assert!(
            answer.sections[0].iter().all(|record| record.ttl == ttl),
            "{answer:?}"
        );
    }
}

#[test]
fn ilnp_records_bring_each_other_along() {
    let fixture = Fixture::start();
    let (vm1, vm2, vm3, site) = (under("vm1"), under("vm2"), under("vm3"), under("site"));
    for (host, kind, wanted) in [
        (&vm1, rtype::NID, vec![(vm1.as_str(), rtype::L64)]),
        (&vm1, rtype::L64, vec![(vm1.as_str(), rtype::NID)]),
        (&vm2, rtype::NID, vec![(vm2.as_str(), rtype::L64); 2]),
        (
            &vm1,
            rtype::AAAA,
            vec![(vm1.as_str(), rtype::NID), (&vm1, rtype::L64)],
        ),
        (
            &vm3,
            rtype::NID,
            vec![(vm3.as_str(), rtype::L32), (&vm3, rtype::LP)],
        ),
        (
            &vm3,
            rtype::LP,
            vec![(site.as_str(), rtype::L64), (&vm3, rtype::L32)],
        ),
    ] {
        let answer = fixture.ask(host, kind);
        let found = additional(&answer);
        for record in &wanted {
            assert!(
                found.contains(record),
                "{host} {kind}: {found:?} lacks {record:?}"
            );
        }
    }
}

#[test]
fn a_plain_question_brings_no_ilnp_records() {
    let fixture = Fixture::start();
    let answer = fixture.ask(&under("text"), rtype::TXT);
    assert_eq!(additional(&answer), []);
}

#[test]
fn aaaa_is_made_of_nid_and_l64_where_there_is_none() {
    let fixture = Fixture::start();
    let address = |locator: u16| {
        let mut octets = vec![0x20, 0x01, 0x0d, 0xb8];
        octets.extend(locator.to_be_bytes());
        octets.extend([0, 0, 0x02, 0x14, 0x4f, 0xff, 0xfe, 0x20, 0xee, 0x65]);
        octets
    };
    let answer = fixture.ask(&under("vm2"), rtype::AAAA);
    assert_eq!(answer.data(rtype::AAAA), [address(0xb), address(0xc)]);
    // No longer than what they are made of.
    assert!(answer.sections[0].iter().all(|record| record.ttl == 0));
    // What is there is taken as it is.
    assert_eq!(fixture.ask(HOST, rtype::AAAA).data(rtype::AAAA).len(), 1);
    // A Locator alone makes no address.
    assert_eq!(
        fixture
            .ask(&under("site"), rtype::AAAA)
            .data(rtype::AAAA)
            .len(),
        0
    );
}

#[test]
fn what_is_not_there_is_told_with_the_soa() {
    let fixture = Fixture::start();
    for (name, kind, code) in [
        (under("no"), rtype::L64, rcode::NXDOMAIN),
        (under("no.vm1"), rtype::L64, rcode::NXDOMAIN),
        (under("vm1"), rtype::TXT, rcode::NOERROR),
        // An empty non-terminal, and a type that the wildcard does not have.
        (under("mob"), rtype::L64, rcode::NOERROR),
        (under("h9.mob"), rtype::TXT, rcode::NOERROR),
    ] {
        let answer = fixture.ask(&name, kind);
        assert_eq!(answer.rcode(), code, "{name}");
        assert!(answer.sections[0].is_empty(), "{answer:?}");
        let soa = only(&answer.sections[1]);
        assert_eq!((soa.owner.as_str(), soa.rtype), (ZONE, rtype::SOA));
        assert_eq!(soa.ttl, 5, "RFC 2308 §3");
    }
}

#[test]
fn aliases_and_delegations_are_followed_as_far_as_the_zone_goes() {
    let fixture = Fixture::start();
    let answer = fixture.ask(&under("alias"), rtype::L64);
    assert_eq!(answer.sections[0][0].rtype, rtype::CNAME);
    assert_eq!(answer.data(rtype::L64).len(), 1, "{answer:?}");

    let answer = fixture.ask(&under("host.sub"), rtype::L64);
    assert!(!answer.is_authoritative());
    assert_eq!(only(&answer.sections[1]).owner, under("sub"));
    let glue = only(&answer.sections[2]);
    assert_eq!(
        (glue.owner.as_str(), glue.rtype),
        (under("ns.sub").as_str(), rtype::A)
    );
}

#[test]
fn names_elsewhere_are_refused() {
    let fixture = Fixture::start();
    for name in ["example.com", "org", "", "xexample.org"] {
        assert_eq!(
            fixture.ask(name, rtype::L64).rcode(),
            rcode::REFUSED,
            "{name}"
        );
    }
}

#[test]
fn additional_data_is_dropped_rather_than_truncating() {
    // The answer fits into 512 octets; with the Locators of the same owner it would not.
    let mut text = TEXT.to_owned();
    for number in 0..20 {
        text.push_str(&format!("many NID 10 0214:4fff:fe20:{number:04x}\n"));
        text.push_str(&format!("many L64 10 2001:0db8:{number:04x}:0000\n"));
    }
    for number in 0..40 {
        text.push_str(&format!("more L64 10 2001:0db8:{number:04x}:0000\n"));
    }
    let fixture = Fixture::start_notifying(&text, &[]);
    let answer = fixture.ask(&under("many"), rtype::NID);
    assert!(!answer.is_truncated());
    assert_eq!(answer.data(rtype::NID).len(), 20);

    // What does not fit itself is truncated, and whole over TCP and with EDNS.
    let answer = fixture.ask(&under("more"), rtype::L64);
    assert!(answer.is_truncated());
    let question = compose::query(3, &under("more"), rtype::L64);
    let answer = exchange::tcp(fixture.address(), &question).unwrap();
    assert!(!answer.is_truncated());
    assert_eq!(answer.data(rtype::L64).len(), 40);
    let answer = exchange::udp(fixture.address(), &with_edns(&question, 0)).unwrap();
    assert_eq!(answer.data(rtype::L64).len(), 40);
}

#[test]
fn edns_is_answered_and_its_later_versions_refused() {
    let fixture = Fixture::start();
    let question = compose::query(3, HOST, rtype::L64);
    let answer = exchange::udp(fixture.address(), &with_edns(&question, 0)).unwrap();
    let is_opt = |record: &&Record| record.rtype == rtype::OPT;
    assert_eq!(answer.sections[2].iter().filter(is_opt).count(), 1);
    let answer = exchange::udp(fixture.address(), &with_edns(&question, 1)).unwrap();
    let opt = answer.sections[2].iter().find(is_opt).unwrap();
    // BADVERS is 16: 1 in the upper octet, 0 in the header (RFC 6891 §6.1.3).
    assert_eq!((opt.ttl >> 24, answer.rcode()), (1, 0), "{answer:?}");
    assert_eq!(opt.ttl >> 16 & 0xff, 0, "the version that is known");
    let plain = fixture.ask(HOST, rtype::L64);
    assert!(
        !plain.sections[2]
            .iter()
            .any(|record| record.rtype == rtype::OPT)
    );
}

/// The question with an OPT record of a version, for answers of 1,232 octets.
pub(crate) fn with_edns(question: &[u8], version: u8) -> Vec<u8> {
    let mut message = question.to_vec();
    let ttl = u32::from(version) << 16;
    message.extend(compose::record("", rtype::OPT, 1232, ttl, &[]));
    message[11] += 1;
    message
}
