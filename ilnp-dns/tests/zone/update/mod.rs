//! Dynamic updates (RFC 2136).

mod prerequisite;
mod refused;

use ilnp_dns::zone::{Change, UpdateError};

use super::*;

const KEY: &str = "admin.";

fn grants() -> Grants {
    let grant = |at: &str| Grant {
        key: name(KEY),
        name: name(at),
        types: vec![RecordType::ANY],
    };
    Grants(vec![grant("example.org."), grant("*.example.org.")])
}

fn message(prerequisites: Vec<Record>, updates: Vec<Record>) -> Message {
    Message {
        questions: vec![question("example.org.", RecordType::SOA)],
        answers: prerequisites,
        authorities: updates,
        ..Message::request(1, Opcode::UPDATE)
    }
}

/// A record that removes the set of another, or all sets.
fn without_set(at: &str, rtype: RecordType) -> Record {
    Record {
        name: name(at),
        rtype,
        class: Class::ANY,
        ttl: 0,
        rdata: Bytes::new(),
    }
}

type Updated = Result<(Zone, Change), UpdateError>;

fn update(zone: &Zone, prerequisites: Vec<Record>, updates: Vec<Record>) -> Updated {
    zone.update(
        &message(prerequisites, updates),
        &grants(),
        Some(&name(KEY)),
    )
}

/// The code that an update is refused with.
fn refused(zone: &Zone, prerequisites: Vec<Record>, updates: Vec<Record>) -> Rcode {
    update(zone, prerequisites, updates).unwrap_err().rcode()
}

/// A record as a prerequisite: without TTL.
fn wanted(line: &str) -> Record {
    Record {
        ttl: 0,
        ..record(line)
    }
}

/// A record that removes one.
fn without(line: &str) -> Record {
    Record {
        class: Class::NONE,
        ttl: 0,
        ..record(line)
    }
}

/// That there is no such set, or no such name.
fn absent(at: &str, rtype: RecordType) -> Record {
    Record {
        class: Class::NONE,
        ..without_set(at, rtype)
    }
}

const HOST: &str = "vm1.example.org. 5 NID 10 0214:4fff:fe20:ee64
    vm1.example.org. 5 L64 10 2001:0db8:000a:0000
    vm1.example.org. 5 L64 20 2001:0db8:000b:0000";

#[test]
fn a_host_moves_in_one_step() {
    let old = zone(HOST);
    let new = record("vm1.example.org. 5 L64 10 2001:0db8:000c:0000");
    let kept = record("vm1.example.org. 5 L64 20 2001:0db8:000b:0000");
    let updates = vec![
        without_set("vm1.example.org.", RecordType::L64),
        new.clone(),
        kept,
    ];
    let (zone, change) = update(&old, vec![], updates).unwrap();
    assert_eq!(
        change.removed,
        [record("vm1.example.org. 5 L64 10 2001:0db8:000a:0000")]
    );
    assert_eq!(change.added, [new]);
    assert_eq!((change.old_serial().0, change.new_serial().0), (1, 2));
    assert_eq!((old.serial().0, zone.serial().0), (1, 2));
}

/// The AAAA records of a name, made or given.
fn addresses(zone: &Zone, at: &str) -> Vec<Bytes> {
    let question = question(at, RecordType::AAAA);
    let found = zone.look_up(&question, Extras::default());
    let views = found.answers.iter();
    views.flat_map(|view| view.rdatas.to_vec()).collect()
}

#[test]
fn a_site_moves_its_hosts_with_one_update() {
    let zone = zone(
        "site.example.org. 5 L64 10 2001:0db8:000a:0000
        vm1.example.org. 5 NID 10 0214:4fff:fe20:ee64
        vm1.example.org. 5 LP 10 site.example.org.
        vm2.example.org. 5 NID 10 0214:4fff:fe20:ee65
        vm2.example.org. 5 LP 10 site.example.org.",
    );
    let updates = vec![
        without_set("site.example.org.", RecordType::L64),
        record("site.example.org. 5 L64 10 2001:0db8:000b:0000"),
    ];
    let (moved, change) = update(&zone, vec![], updates).unwrap();
    assert_eq!((change.removed.len(), change.added.len()), (1, 1));
    let aaaa = |text: &str| rdata(RecordType::AAAA, text);
    for (host, nid) in [("vm1.example.org.", "64"), ("vm2.example.org.", "65")] {
        let at = |site| vec![aaaa(&format!("2001:db8:{site}:0:214:4fff:fe20:ee{nid}"))];
        assert_eq!(addresses(&zone, host), at("a"));
        assert_eq!(addresses(&moved, host), at("b"));
    }
}

#[test]
fn what_is_there_already_is_no_change() {
    let old = zone(HOST);
    let updates = records(HOST);
    let (zone, change) = update(&old, vec![], updates).unwrap();
    assert!(change.is_empty(), "{change:?}");
    assert_eq!(zone.serial(), old.serial());
    let gone = vec![without("vm2.example.org. 5 L64 10 2001:0db8:000a:0000")];
    let (zone, change) = update(&old, vec![], gone).unwrap();
    assert!(change.is_empty(), "{change:?}");
    assert_eq!(zone.names(), old.names(), "no name is left without records");
}

#[test]
fn a_ttl_is_that_of_the_whole_set() {
    let added = record("vm1.example.org. 7 L64 30 2001:0db8:000c:0000");
    let (zone, change) = update(&zone(HOST), vec![], vec![added]).unwrap();
    assert_eq!((change.removed.len(), change.added.len()), (2, 3));
    let mut ttls = zone
        .records()
        .filter(|record| record.rtype == RecordType::L64);
    assert!(ttls.all(|record| record.ttl == 7));
    let added = Record {
        ttl: u32::MAX,
        ..record("vm1.example.org. 7 L64 30 2001:0db8:000c:0000")
    };
    let (_, change) = update(&zone, vec![], vec![added]).unwrap();
    assert_eq!(change.added[0].ttl, 0, "RFC 2181 §8");
}

#[test]
fn the_apex_keeps_its_soa_and_ns_records() {
    let zone = zone("example.org. 5 TXT x");
    let apex = "example.org.";
    for update_section in [
        vec![without_set(apex, RecordType::SOA)],
        vec![without_set(apex, RecordType::NS)],
        vec![without("example.org. 5 SOA 1")],
        vec![without("example.org. 5 NS ns.example.org.")],
        vec![record("example.org. 5 CNAME vm1.example.org.")],
        vec![record("vm1.example.org. 5 SOA 9")],
        vec![record("example.org. 5 SOA 1")],
        vec![record("example.org. 5 SOA 2147483649")],
    ] {
        let (_, change) = update(&zone, vec![], update_section.clone()).unwrap();
        assert!(change.is_empty(), "{update_section:?}");
    }
    let (zone, change) = update(&zone, vec![], vec![without_set(apex, RecordType::ANY)]).unwrap();
    assert_eq!(change.removed, [record("example.org. 5 TXT x")]);
    assert_eq!(zone.records().count(), 2);
}

#[test]
fn a_ns_record_of_the_apex_can_be_replaced() {
    let updates = vec![
        record("example.org. 60 NS ns.example.com."),
        without("example.org. 60 NS ns.example.org."),
        without("example.org. 60 NS ns.example.com."),
    ];
    let (_, change) = update(&zone(""), vec![], updates).unwrap();
    assert_eq!(
        change.removed,
        [record("example.org. 60 NS ns.example.org.")]
    );
    assert_eq!(change.added, [record("example.org. 60 NS ns.example.com.")]);
}

#[test]
fn a_newer_soa_record_sets_the_serial() {
    let updates = vec![
        record("example.org. 60 SOA 70"),
        record("a.example.org. 5 TXT x"),
    ];
    let (zone, change) = update(&zone(""), vec![], updates).unwrap();
    assert_eq!((change.old_serial().0, change.new_serial().0), (1, 70));
    assert_eq!(zone.serial().0, 70);
}

#[test]
fn aliases_and_other_records_keep_each_other_away() {
    let zone = zone("a.example.org. 5 CNAME b.example.org.\nb.example.org. 5 TXT x");
    for ignored in [
        "a.example.org. 5 TXT x",
        "b.example.org. 5 CNAME a.example.org.",
    ] {
        let (_, change) = update(&zone, vec![], vec![record(ignored)]).unwrap();
        assert!(change.is_empty(), "{ignored}");
    }
    let other = record("a.example.org. 5 CNAME c.example.org.");
    let (_, change) = update(&zone, vec![], vec![other.clone()]).unwrap();
    assert_eq!(
        change.removed,
        [record("a.example.org. 5 CNAME b.example.org.")]
    );
    assert_eq!(change.added, [other]);
}

#[test]
fn a_name_keeps_its_case_over_a_change_and_back() {
    let before = zone("A.example.org. 5 TXT x\nB.example.org. 5 TXT x");
    let updates = vec![
        without_set("a.example.org.", RecordType::ANY),
        without_set("b.example.org.", RecordType::ANY),
        record("b.example.org. 5 TXT y"),
    ];
    let (after, change) = update(&before, vec![], updates).unwrap();
    assert!(
        sorted(&after)
            .iter()
            .any(|record| record.contains("\\x01B"))
    );
    assert_eq!(sorted(&before.apply(&change).unwrap()), sorted(&after));
    let back = after.apply(&change.inverse()).unwrap();
    assert_eq!(sorted(&back), sorted(&before));
}

/// Any part of the update section.
fn any_update() -> impl Strategy<Value = Record> {
    let record = || any_record().boxed();
    let removal = record().prop_map(|record| Record {
        class: Class::NONE,
        ttl: 0,
        ..record
    });
    let set = record().prop_map(|record| Record {
        class: Class::ANY,
        ttl: 0,
        rdata: Bytes::new(),
        ..record
    });
    let name = set.clone().prop_map(|set| Record {
        rtype: RecordType::ANY,
        ..set
    });
    prop_oneof![6 => record(), 3 => removal, 2 => set, 1 => name]
}

proptest! {
    #[test]
    fn a_change_tells_all_and_can_be_undone(
        updates in prop::collection::vec(prop::collection::vec(any_update(), 0..8), 1..12)
    ) {
        let mut now = zone("");
        for update_section in updates {
            let before = sorted(&now);
            let Ok((next, change)) = update(&now, vec![], update_section) else {
                prop_assert_eq!(sorted(&now), before);
                continue;
            };
            prop_assert_eq!(sorted(&now), before.clone(), "a snapshot does not change");
            prop_assert_eq!(change.is_empty(), sorted(&next) == before);
            prop_assert_eq!(change.is_empty(), next.serial() == now.serial());
            prop_assert_eq!(sorted(&now.apply(&change).unwrap()), sorted(&next));
            let back = next.apply(&change.inverse()).unwrap();
            prop_assert_eq!((sorted(&back), back.names()), (before, now.names()));
            let copy = Zone::from_records(name("example.org."), Class::IN, next.records());
            prop_assert_eq!(copy.unwrap().names(), next.names());
            now = next;
        }
    }

    #[test]
    fn a_set_that_is_there_is_a_prerequisite_that_is_met(
        records in prop::collection::vec(any_record(), 0..12)
    ) {
        let Ok((zone, _)) = update(&zone(""), vec![], records) else {
            return Ok(());
        };
        let all = zone.records().map(|record| Record { ttl: 0, ..record });
        prop_assert!(update(&zone, all.collect(), vec![]).is_ok());
    }
}

#[test]
fn a_change_of_another_history_is_refused() {
    let old = zone("");
    let (new, change) = update(&old, vec![], vec![record("a.example.org. 5 TXT x")]).unwrap();
    let refused = new.apply(&change).unwrap_err().to_string();
    assert_eq!(
        refused,
        "the change starts from serial 1, but the zone has serial 2"
    );
    let change = Change {
        removed: vec![record("b.example.org. 5 TXT x")],
        ..change
    };
    let refused = old.apply(&change).unwrap_err().to_string();
    assert_eq!(
        refused,
        "the change removes a TXT record that b.example.org. does not have"
    );
}
