//! Updates that are signed well, and ask for something that is not allowed or cannot be
//! (RFC 2136 §3).

use std::thread;

use tests::dns::compose::{add, delete, record};
use tests::dns::{class, compose, exchange, rcode, rtype};
use tests::load::readers::watch;

use crate::fixture::{Fixture, HOST, ZONE};

fn under(host: &str) -> String {
    format!("{host}.{ZONE}")
}

fn l64(locator: u64) -> Vec<u8> {
    compose::preferred(10, locator)
}

/// Every one is refused with its code, as a whole: with the change in front that is allowed.
fn refused(fixture: &Fixture, by_admin: bool, change: Vec<u8>, code: u16) {
    let before = fixture.records();
    let (signer, allowed) = if by_admin {
        (&fixture.admin, add(&under("text"), rtype::TXT, b"\x01x"))
    } else {
        (&fixture.host, add(HOST, rtype::L64, &l64(99)))
    };
    let answer = fixture.update(signer, &[], &[allowed, change.clone()]);
    assert_eq!(answer.rcode(), code, "{change:?}");
    assert_eq!(fixture.records(), before, "{change:?}");
}

#[test]
fn what_is_outside_the_grant_is_refused() {
    let fixture = Fixture::start();
    for change in [
        add(&under("vm2"), rtype::L64, &l64(1)),
        add(HOST, rtype::TXT, b"\x01x"),
        add(&under("new"), rtype::L64, &l64(1)),
        add(&under("a.vm1"), rtype::L64, &l64(1)),
        add(ZONE, rtype::L64, &l64(1)),
        delete(&under("vm2"), rtype::L64),
        delete(HOST, rtype::TXT),
        record(&under("vm2"), rtype::ANY, class::ANY, 0, &[]),
        record(
            &under("vm2"),
            rtype::L64,
            class::NONE,
            0,
            &l64(0x2001_0db8_000b_0000),
        ),
    ] {
        refused(&fixture, false, change, rcode::REFUSED);
    }
    refused(
        &fixture,
        true,
        add(HOST, rtype::L64, &l64(1)),
        rcode::REFUSED,
    );
}

#[test]
fn the_apex_keeps_its_soa_and_its_last_ns() {
    let fixture = Fixture::start();
    let before = fixture.records();
    let ns = compose::name("ns.example.org");
    for change in [
        delete(ZONE, rtype::SOA),
        delete(ZONE, rtype::NS),
        record(ZONE, rtype::NS, class::NONE, 0, &ns),
    ] {
        // RFC 2136 §3.4.2.3 and §3.4.2.4: left out in silence; the code says nothing is wrong.
        let answer = fixture.update(&fixture.admin, &[], std::slice::from_ref(&change));
        let code = answer.rcode();
        assert!([rcode::NOERROR, rcode::REFUSED].contains(&code), "{code}");
        assert_eq!(fixture.records(), before, "{change:?}");
    }
    let everything = record(ZONE, rtype::ANY, class::ANY, 0, &[]);
    fixture.update(&fixture.admin, &[], &[everything]);
    assert_eq!(fixture.ask(ZONE, rtype::SOA).data(rtype::SOA).len(), 1);
    assert_eq!(fixture.ask(ZONE, rtype::NS).data(rtype::NS).len(), 1);
}

#[test]
fn malformed_record_data_is_a_format_error() {
    let fixture = Fixture::start();
    for (kind, rdata) in [
        (rtype::L64, vec![0, 10, 1]),
        (rtype::L64, vec![]),
        (rtype::L64, vec![0; 11]),
        (rtype::NID, vec![0; 9]),
        (rtype::AAAA, vec![0; 15]),
        (rtype::LP, vec![0, 10]),
        (rtype::LP, vec![0, 10, 5, b's']),
        // A pointer, which RFC 6742 forbids.
        (rtype::LP, vec![0, 10, 0xc0, 12]),
    ] {
        refused(&fixture, false, add(HOST, kind, &rdata), rcode::FORMERR);
    }
    refused(
        &fixture,
        true,
        add(&under("vm2"), rtype::L32, &[0; 5]),
        rcode::FORMERR,
    );
}

#[test]
fn a_locator_pointer_to_its_own_owner_is_refused() {
    let fixture = Fixture::start();
    for target in [HOST.to_owned(), HOST.to_uppercase()] {
        let rdata = [vec![0, 10], compose::name(&target)].concat();
        let before = fixture.records();
        let answer = fixture.update(&fixture.host, &[], &[add(HOST, rtype::LP, &rdata)]);
        assert_ne!(answer.rcode(), rcode::NOERROR);
        assert_eq!(fixture.records(), before);
    }
}

#[test]
fn prerequisites_that_fail_have_their_codes() {
    let fixture = Fixture::start();
    let present = l64(0x2001_0db8_000a_0000);
    let first_of_vm2 = l64(0x2001_0db8_000b_0000);
    let is = |name: &str, kind, data: &[u8]| record(name, kind, class::IN, 0, data);
    let exists = |name: &str, kind| record(name, kind, class::ANY, 0, &[]);
    let lacks = |name: &str, kind| record(name, kind, class::NONE, 0, &[]);
    let (no, vm2) = (under("no"), under("vm2"));
    for (prerequisite, code) in [
        (is(HOST, rtype::L64, &l64(1)), rcode::NXRRSET),
        (is(HOST, rtype::TXT, b"\x01x"), rcode::NXRRSET),
        // One of two is not the set.
        (is(&vm2, rtype::L64, &first_of_vm2), rcode::NXRRSET),
        (exists(&no, rtype::L64), rcode::NXRRSET),
        (lacks(HOST, rtype::L64), rcode::YXRRSET),
        (exists(&no, rtype::ANY), rcode::NXDOMAIN),
        (lacks(HOST, rtype::ANY), rcode::YXDOMAIN),
        (exists("example.com", rtype::ANY), rcode::NOTZONE),
        (
            record(HOST, rtype::L64, class::IN, 5, &present),
            rcode::FORMERR,
        ),
        (record(HOST, rtype::L64, 3, 0, &[]), rcode::FORMERR),
        (
            record(HOST, rtype::L64, class::ANY, 0, &present),
            rcode::FORMERR,
        ),
    ] {
        let before = fixture.records();
        let answer = fixture.update(
            &fixture.host,
            std::slice::from_ref(&prerequisite),
            &[add(HOST, rtype::L64, &l64(1))],
        );
        assert_eq!(answer.rcode(), code, "{prerequisite:?}");
        assert_eq!(fixture.records(), before);
    }
    let holding = [
        is(HOST, rtype::L64, &present),
        exists(HOST, rtype::NID),
        exists(HOST, rtype::ANY),
        lacks(&no, rtype::ANY),
        lacks(HOST, rtype::LP),
    ];
    let answer = fixture.update(&fixture.host, &holding, &[add(HOST, rtype::L64, &l64(1))]);
    assert_eq!(answer.rcode(), rcode::NOERROR);
}

#[test]
fn changes_that_make_no_sense_are_told() {
    let fixture = Fixture::start();
    for (change, code) in [
        (add("vm1.example.com", rtype::L64, &l64(1)), rcode::NOTZONE),
        (record(HOST, rtype::ANY, class::IN, 0, &[]), rcode::FORMERR),
        (record(HOST, rtype::AXFR, class::IN, 0, &[]), rcode::FORMERR),
        (record(HOST, rtype::L64, class::ANY, 5, &[]), rcode::FORMERR),
        (
            record(HOST, rtype::L64, class::ANY, 0, &l64(1)),
            rcode::FORMERR,
        ),
        (
            record(HOST, rtype::L64, class::NONE, 5, &l64(1)),
            rcode::FORMERR,
        ),
        (record(HOST, rtype::L64, 3, 5, &l64(1)), rcode::FORMERR),
    ] {
        refused(&fixture, false, change, code);
    }
    let mut elsewhere = compose::update(4, "example.com", &[], &[add(HOST, rtype::L64, &l64(1))]);
    fixture.host.sign(&mut elsewhere);
    let answer = exchange::udp(fixture.address(), &elsewhere).unwrap();
    assert_eq!(answer.rcode(), rcode::NOTAUTH);
}

#[test]
fn an_update_that_changes_nothing_keeps_the_serial() {
    let fixture = Fixture::start();
    let before = fixture.records();
    let same = add(HOST, rtype::L64, &l64(0x2001_0db8_000a_0000));
    let missing = delete(HOST, rtype::LP);
    let answer = fixture.update(&fixture.host, &[], &[same, missing]);
    assert_eq!(answer.rcode(), rcode::NOERROR);
    assert_eq!(fixture.records(), before);
}

#[test]
fn every_update_over_tcp_and_udp_raises_the_serial() {
    let fixture = Fixture::start();
    let serial = || {
        let answer = fixture.ask(ZONE, rtype::SOA);
        let soa = answer.data(rtype::SOA)[0].to_vec();
        u32::from_be_bytes(soa[soa.len() - 20..soa.len() - 16].try_into().unwrap())
    };
    assert_eq!(serial(), 7);
    assert_eq!(fixture.move_host(1), rcode::NOERROR);
    assert_eq!(serial(), 8);
    let mut update = compose::update(4, ZONE, &[], &[add(HOST, rtype::L64, &l64(2))]);
    let _mac = fixture.host.sign(&mut update);
    assert_eq!(
        exchange::tcp(fixture.address(), &update).unwrap().rcode(),
        rcode::NOERROR
    );
    assert_eq!(serial(), 9);
}

#[test]
fn readers_see_an_update_whole_or_not_at_all() {
    let fixture = Fixture::start();
    let key = fixture.server.key(HOST);
    let seen = watch(fixture.address(), ZONE, key, 3000).unwrap();
    assert!(seen.answers > 1000, "{seen:?}");
    assert_eq!(seen.torn, 0, "{seen:?}");
}

#[test]
fn hosts_that_update_at_once_do_not_disturb_each_other() {
    let fixture = Fixture::start();
    thread::scope(|scope| {
        for half in 0..2 {
            let fixture = &fixture;
            scope.spawn(move || {
                for step in 0..50 {
                    let (signer, change) = if half == 0 {
                        (&fixture.host, add(HOST, rtype::L64, &l64(step)))
                    } else {
                        let text = [1, b'0' + u8::try_from(step % 10).unwrap()];
                        (&fixture.admin, add(&under("text"), rtype::TXT, &text))
                    };
                    let answer = fixture.update(signer, &[], &[change]);
                    assert_eq!(answer.rcode(), rcode::NOERROR);
                }
            });
        }
    });
    // They do not fit into 512 octets.
    let count = |name: &str, kind| {
        let question = compose::query(3, name, kind);
        let answer = exchange::tcp(fixture.address(), &question).unwrap();
        answer.data(kind).len()
    };
    assert_eq!(count(HOST, rtype::L64), 1 + 50);
    assert_eq!(count(&under("text"), rtype::TXT), 1 + 10);
}
