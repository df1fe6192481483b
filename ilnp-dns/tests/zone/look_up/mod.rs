//! Answers to questions.

mod extra;

use super::*;

/// What a look-up finds, a section a line.
fn look_up(zone: &Zone, at: &str, rtype: RecordType) -> (Rcode, bool, [Vec<String>; 4]) {
    let question = question(at, rtype);
    let found: Found<'_> = zone.look_up(&question, Extras::default());
    let sections = [
        &found.answers,
        &found.authorities,
        &found.glue,
        &found.extras,
    ];
    let sections = sections.map(|section| texts(section));
    (found.rcode, found.authoritative, sections)
}

fn answers(zone: &Zone, at: &str, rtype: RecordType) -> Vec<String> {
    let (rcode, _, [answers, ..]) = look_up(zone, at, rtype);
    assert_eq!(rcode, Rcode::NOERROR, "{at}");
    answers
}

const NEGATIVE: &str = "example.org. 5 SOA x1";

#[test]
fn a_name_is_found_in_any_case() {
    let zone = zone("vm1.example.org. 5 L64 10 2001:0db8:000a:0000");
    let found = answers(&zone, "VM1.Example.ORG.", RecordType::L64);
    assert_eq!(found, ["VM1.Example.ORG. 5 L64 x1"]);
}

#[test]
fn what_is_not_there_is_denied_with_the_soa_record() {
    let zone = zone("a.b.example.org. 5 TXT x");
    for (at, rcode) in [
        ("x.example.org.", Rcode::NXDOMAIN),
        ("x.b.example.org.", Rcode::NXDOMAIN),
        ("x.a.b.example.org.", Rcode::NXDOMAIN),
        ("b.example.org.", Rcode::NOERROR),
        ("a.b.example.org.", Rcode::NOERROR),
        ("example.org.", Rcode::NOERROR),
    ] {
        let (found, authoritative, [answers, authorities, ..]) =
            look_up(&zone, at, RecordType::L64);
        assert_eq!(found, rcode, "{at}");
        assert!(authoritative && answers.is_empty());
        assert_eq!(authorities, [NEGATIVE]);
    }
    assert_eq!(
        look_up(&zone, "example.com.", RecordType::L64).0,
        Rcode::REFUSED
    );
}

#[test]
fn a_wildcard_stands_for_names_that_do_not_exist() {
    let zone = zone(
        "*.mob.example.org. 5 L64 10 2001:0db8:000a:0000
        h1.mob.example.org. 5 NID 10 0214:4fff:fe20:ee64
        a.b.mob.example.org. 5 TXT x",
    );
    let found = answers(&zone, "h9.mob.example.org.", RecordType::L64);
    assert_eq!(found, ["h9.mob.example.org. 5 L64 x1"]);
    let found = answers(&zone, "x.h9.mob.example.org.", RecordType::L64);
    assert_eq!(found, ["x.h9.mob.example.org. 5 L64 x1"]);
    let found = answers(&zone, "*.mob.example.org.", RecordType::L64);
    assert_eq!(found, ["*.mob.example.org. 5 L64 x1"]);
    for there in [
        "h1.mob.example.org.",
        "b.mob.example.org.",
        "h9.mob.example.org.",
    ] {
        let (rcode, _, [answers, authorities, ..]) = look_up(&zone, there, RecordType::TXT);
        assert_eq!((rcode, answers), (Rcode::NOERROR, vec![]), "{there}");
        assert_eq!(authorities, [NEGATIVE]);
    }
    assert_eq!(
        look_up(&zone, "x.b.mob.example.org.", RecordType::L64).0,
        Rcode::NXDOMAIN
    );
    assert_eq!(
        look_up(&zone, "x.h1.mob.example.org.", RecordType::L64).0,
        Rcode::NXDOMAIN
    );
}

#[test]
fn a_delegation_is_referred_with_glue() {
    let zone = zone(
        "sub.example.org. 60 NS ns.sub.example.org.
        sub.example.org. 60 NS ns.example.com.
        sub.example.org. 60 DS x
        ns.sub.example.org. 60 AAAA 2001:db8::1
        ns.sub.example.org. 60 A 192.0.2.1
        hidden.sub.example.org. 60 L64 10 2001:0db8:000a:0000",
    );
    for at in [
        "sub.example.org.",
        "hidden.sub.example.org.",
        "x.y.sub.example.org.",
    ] {
        let (rcode, authoritative, [answers, authorities, glue, _]) =
            look_up(&zone, at, RecordType::L64);
        assert_eq!((rcode, authoritative), (Rcode::NOERROR, false), "{at}");
        assert!(answers.is_empty());
        assert_eq!(
            authorities,
            ["sub.example.org. 60 NS x2", "sub.example.org. 60 DS x1"]
        );
        assert_eq!(
            glue,
            [
                "ns.sub.example.org. 60 AAAA x1",
                "ns.sub.example.org. 60 A x1"
            ]
        );
    }
    let found = answers(&zone, "sub.example.org.", RecordType::DS);
    assert_eq!(found, ["sub.example.org. 60 DS x1"]);
}

#[test]
fn an_alias_is_followed_within_the_zone() {
    let zone = zone(
        "a.example.org. 5 CNAME b.example.org.
        b.example.org. 5 CNAME c.example.org.
        c.example.org. 5 L64 10 2001:0db8:000a:0000
        away.example.org. 5 CNAME www.example.com.
        gone.example.org. 5 CNAME nowhere.example.org.
        loop.example.org. 5 CNAME loop.example.org.
        down.example.org. 5 CNAME x.sub.example.org.
        sub.example.org. 5 NS ns.example.com.",
    );
    assert_eq!(
        answers(&zone, "a.example.org.", RecordType::L64),
        [
            "a.example.org. 5 CNAME x1",
            "b.example.org. 5 CNAME x1",
            "c.example.org. 5 L64 x1"
        ]
    );
    assert_eq!(answers(&zone, "a.example.org.", RecordType::CNAME).len(), 1);
    assert_eq!(answers(&zone, "a.example.org.", RecordType::ANY).len(), 1);
    assert_eq!(
        answers(&zone, "away.example.org.", RecordType::L64).len(),
        1
    );
    assert_eq!(
        answers(&zone, "loop.example.org.", RecordType::L64).len(),
        1
    );
    let (rcode, _, [found, authorities, ..]) = look_up(&zone, "gone.example.org.", RecordType::L64);
    assert_eq!((rcode, found.len()), (Rcode::NXDOMAIN, 1));
    assert_eq!(authorities, [NEGATIVE]);
    let (rcode, authoritative, [found, authorities, ..]) =
        look_up(&zone, "down.example.org.", RecordType::L64);
    assert_eq!(
        (rcode, authoritative, found.len()),
        (Rcode::NOERROR, true, 1)
    );
    assert_eq!(authorities, ["sub.example.org. 5 NS x1"]);
}

#[test]
fn a_tree_is_renamed() {
    let zone = zone(
        "old.example.org. 5 DNAME new.example.org.
        new.example.org. 5 TXT x
        vm1.new.example.org. 5 L64 10 2001:0db8:000a:0000
        long.example.org. 5 DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example.org.",
    );
    assert_eq!(
        answers(&zone, "VM1.old.example.org.", RecordType::L64),
        [
            "old.example.org. 5 DNAME x1",
            "VM1.old.example.org. 5 CNAME x1",
            "VM1.new.example.org. 5 L64 x1"
        ]
    );
    assert!(answers(&zone, "old.example.org.", RecordType::TXT).is_empty());
    let (rcode, ..) = look_up(&zone, "x.old.example.org.", RecordType::L64);
    assert_eq!(rcode, Rcode::NXDOMAIN);
    let long = format!("{}.long.example.org.", "b".repeat(60));
    let (rcode, _, [found, ..]) = look_up(&zone, &long, RecordType::L64);
    assert_eq!((rcode, found.len()), (Rcode::YXDOMAIN, 1));
}

/// What RFC 1034 §4.3.2 and RFC 4592 say, found by going through all records: for zones without
/// aliases and delegations.
fn slowly(zone: &Zone, at: &Name, rtype: RecordType) -> (Rcode, Vec<Bytes>) {
    let records: Vec<Record> = zone.records().collect();
    let exists = |at: &Name| records.iter().any(|record| record.name.is_within(at));
    let source = if exists(at) {
        at.clone()
    } else {
        let mut closest = at.parent().unwrap();
        while !exists(&closest) {
            closest = closest.parent().unwrap();
        }
        Name::from_wire(&[b"\x01*", closest.wire()].concat()).unwrap()
    };
    if !exists(&source) {
        return (Rcode::NXDOMAIN, vec![]);
    }
    let here = records
        .iter()
        .filter(|record| record.name == source && record.rtype == rtype);
    let mut rdatas: Vec<Bytes> = here.map(|record| record.rdata.clone()).collect();
    rdatas.sort();
    (Rcode::NOERROR, rdatas)
}

proptest! {
    #[test]
    fn look_ups_find_what_a_search_finds(
        records in prop::collection::vec(any_record(), 0..30),
        names in prop::collection::vec(any_name(), 1..20),
    ) {
        let special = [RecordType::CNAME, RecordType::DNAME, RecordType::NS, RecordType::LP];
        let plain = records.into_iter().filter(|record| !special.contains(&record.rtype));
        let all = zone("").records().chain(plain).collect::<Vec<_>>();
        let zone = Zone::from_records(name("example.org."), Class::IN, all).unwrap();
        for at in names {
            for rtype in [RecordType::L64, RecordType::TXT] {
                let question = Question { name: at.clone(), rtype, class: Class::IN };
                let found = zone.look_up(&question, Extras::default());
                let rdatas = found.answers.iter().flat_map(|view| view.rdatas.to_vec());
                prop_assert_eq!((found.rcode, rdatas.collect()), slowly(&zone, &at, rtype));
            }
        }
    }
}
