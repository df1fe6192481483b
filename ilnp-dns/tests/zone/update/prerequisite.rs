//! What must hold for an update to be done (RFC 2136 §3.2).

use super::*;

#[test]
fn a_prerequisite_about_values_is_about_the_whole_set() {
    let zone = zone(HOST);
    let (one, two) = (
        wanted("vm1.example.org. 5 L64 10 2001:0db8:000a:0000"),
        wanted("vm1.example.org. 5 L64 20 2001:0db8:000b:0000"),
    );
    let three = wanted("vm1.example.org. 5 L64 30 2001:0db8:000b:0000");
    for (set, met) in [
        (vec![one.clone(), two.clone()], true),
        (vec![two.clone(), one.clone(), two.clone()], true),
        (vec![one.clone()], false),
        (vec![one.clone(), two, three.clone()], false),
        (vec![one, three], false),
    ] {
        match update(&zone, set, vec![]) {
            Ok(_) => assert!(met),
            Err(error) => assert_eq!((met, error.rcode()), (false, Rcode::NXRRSET)),
        }
    }
}

#[test]
fn case_does_not_matter_in_names() {
    let zone = zone("vm1.example.org. 5 LP 10 Site1.example.org.");
    let set = vec![wanted("VM1.example.org. 5 LP 10 site1.Example.org.")];
    let updates = vec![without("vm1.EXAMPLE.org. 5 LP 10 sITE1.example.org.")];
    let (_, change) = update(&zone, set, updates).unwrap();
    assert_eq!(
        change.removed,
        [record("vm1.example.org. 5 LP 10 Site1.example.org.")]
    );
}

#[test]
fn prerequisites_about_presence_are_checked() {
    let zone = zone(&[HOST, "\na.b.example.org. 5 TXT x"].concat());
    let (any, l64, lp) = (RecordType::ANY, RecordType::L64, RecordType::LP);
    for (prerequisite, code) in [
        (without_set("vm1.example.org.", any), Rcode::NOERROR),
        (without_set("vm2.example.org.", any), Rcode::NXDOMAIN),
        (without_set("b.example.org.", any), Rcode::NXDOMAIN),
        (without_set("vm1.example.org.", l64), Rcode::NOERROR),
        (without_set("vm1.example.org.", lp), Rcode::NXRRSET),
        (without_set("vm2.example.org.", lp), Rcode::NXRRSET),
        (absent("vm1.example.org.", any), Rcode::YXDOMAIN),
        (absent("vm2.example.org.", any), Rcode::NOERROR),
        (absent("b.example.org.", any), Rcode::NOERROR),
        (absent("vm1.example.org.", l64), Rcode::YXRRSET),
        (absent("vm1.example.org.", lp), Rcode::NOERROR),
        (wanted("vm2.example.org. 0 TXT x"), Rcode::NXRRSET),
        (absent("vm1.example.com.", lp), Rcode::NOTZONE),
        (record("vm1.example.org. 5 TXT x"), Rcode::FORMERR),
        (without("vm1.example.org. 5 TXT x"), Rcode::FORMERR),
        (
            Record {
                class: Class(3),
                ..wanted("vm1.example.org. 5 TXT x")
            },
            Rcode::FORMERR,
        ),
    ] {
        let found = update(&zone, vec![prerequisite.clone()], vec![]);
        let found = found.map_or_else(|error| error.rcode(), |_| Rcode::NOERROR);
        assert_eq!(found, code, "{prerequisite:?}");
    }
}
