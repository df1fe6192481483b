//! Updates that are wrong, or not granted: nothing changes.

use super::*;

#[test]
fn malformed_updates_are_refused_whole() {
    let zone = zone(HOST);
    let good = || record("new.example.org. 5 TXT x");
    let raw = |rtype, length: usize| Record {
        rtype,
        rdata: vec![0; length].into(),
        ..good()
    };
    let deletion = |rtype, class| Record {
        rtype,
        class,
        ..without_set("vm1.example.org.", RecordType::L64)
    };
    for (bad, code) in [
        (raw(RecordType::L64, 3), Rcode::FORMERR),
        (raw(RecordType::NID, 9), Rcode::FORMERR),
        (raw(RecordType::L32, 10), Rcode::FORMERR),
        (raw(RecordType::LP, 2), Rcode::FORMERR),
        (raw(RecordType::A, 5), Rcode::FORMERR),
        (raw(RecordType::ANY, 0), Rcode::FORMERR),
        (raw(RecordType::AXFR, 0), Rcode::FORMERR),
        (raw(RecordType::OPT, 0), Rcode::FORMERR),
        (raw(RecordType(0), 0), Rcode::FORMERR),
        (
            record("x.example.org. 5 LP 10 X.example.org."),
            Rcode::FORMERR,
        ),
        (record("x.example.com. 5 TXT x"), Rcode::NOTZONE),
        (deletion(RecordType::AXFR, Class::ANY), Rcode::FORMERR),
        (deletion(RecordType::ANY, Class::NONE), Rcode::FORMERR),
        (deletion(RecordType::L64, Class(3)), Rcode::FORMERR),
        (
            Record {
                ttl: 1,
                ..deletion(RecordType::L64, Class::ANY)
            },
            Rcode::FORMERR,
        ),
        (
            Record {
                class: Class::ANY,
                ..wanted("vm1.example.org. 5 TXT x")
            },
            Rcode::FORMERR,
        ),
    ] {
        let found = refused(&zone, vec![], vec![good(), bad.clone()]);
        assert_eq!(found, code, "{bad:?}");
    }
}

#[test]
fn the_zone_section_names_the_zone() {
    let zone = zone("");
    let with = |questions| Message {
        questions,
        ..message(vec![], vec![])
    };
    let soa = |at| question(at, RecordType::SOA);
    for (questions, code) in [
        (vec![], Rcode::FORMERR),
        (
            vec![soa("example.org."), soa("example.org.")],
            Rcode::FORMERR,
        ),
        (
            vec![question("example.org.", RecordType::NS)],
            Rcode::FORMERR,
        ),
        (vec![soa("sub.example.org.")], Rcode::NOTAUTH),
        (vec![soa("org.")], Rcode::NOTAUTH),
    ] {
        let refused = zone.update(&with(questions), &grants(), Some(&name(KEY)));
        assert_eq!(refused.unwrap_err().rcode(), code);
    }
}

#[test]
fn a_key_changes_what_it_was_granted() {
    let zone = zone(&[HOST, "\nvm1.example.org. 5 TXT x"].concat());
    let types = vec![RecordType::NID, RecordType::L64];
    let grants = Grants(vec![Grant {
        key: name("vm1-key."),
        name: name("vm1.example.org."),
        types,
    }]);
    let attempt = |key: Option<&str>, record: Record| {
        let key = key.map(name);
        let done = zone.update(&message(vec![], vec![record]), &grants, key.as_ref());
        done.map_or_else(|error| error.rcode(), |_| Rcode::NOERROR)
    };
    let own = || record("vm1.example.org. 5 L64 10 2001:0db8:000c:0000");
    assert_eq!(attempt(Some("vm1-key."), own()), Rcode::NOERROR);
    assert_eq!(attempt(None, own()), Rcode::REFUSED);
    assert_eq!(attempt(Some("vm2-key."), own()), Rcode::REFUSED);
    for other in [
        record("vm2.example.org. 5 L64 10 2001:0db8:000c:0000"),
        record("vm1.example.org. 5 TXT y"),
        without("vm1.example.org. 5 TXT x"),
        without_set("vm1.example.org.", RecordType::TXT),
        without_set("vm1.example.org.", RecordType::ANY),
        without_set("vm2.example.org.", RecordType::ANY),
        without_set("example.org.", RecordType::SOA),
    ] {
        assert_eq!(
            attempt(Some("vm1-key."), other.clone()),
            Rcode::REFUSED,
            "{other:?}"
        );
    }
    assert_eq!(
        attempt(
            Some("vm1-key."),
            without_set("vm1.example.org.", RecordType::L64)
        ),
        Rcode::NOERROR
    );
}

#[test]
fn a_set_does_not_grow_without_end() {
    let locator = |n: u32| record(&format!("vm1.example.org. 5 L64 10 2001:0db8:0000:{n:04x}"));
    let (zone, _) = update(&zone(""), vec![], (0..100).map(locator).collect()).unwrap();
    assert_eq!(refused(&zone, vec![], vec![locator(100)]), Rcode::REFUSED);
    let swap = vec![
        without("vm1.example.org. 5 L64 10 2001:0db8:0000:0000"),
        locator(100),
    ];
    assert!(update(&zone, vec![], swap).is_ok());
}
