//! Answers to questions.

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
