//! Dynamic updates.

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
        id: 1,
        response: false,
        opcode: Opcode::UPDATE,
        authoritative: false,
        truncated: false,
        recursion_desired: false,
        recursion_available: false,
        authentic_data: false,
        checking_disabled: false,
        rcode: Rcode::NOERROR,
        questions: vec![question("example.org.", RecordType::SOA)],
        answers: prerequisites,
        authorities: updates,
        additionals: vec![],
        edns: None,
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

#[test]
fn a_host_moves_in_one_step() {
    let old = zone("vm1.example.org. 5 L64 10 2001:0db8:000a:0000");
    let new = record("vm1.example.org. 5 L64 10 2001:0db8:000b:0000");
    let updates = vec![
        without_set("vm1.example.org.", RecordType::L64),
        new.clone(),
    ];
    let key = name(KEY);
    let (zone, change) = old
        .update(&message(vec![], updates), &grants(), Some(&key))
        .unwrap();
    assert_eq!(
        change.removed,
        [record("vm1.example.org. 5 L64 10 2001:0db8:000a:0000")]
    );
    assert_eq!(change.added, [new]);
    assert_eq!((change.old_serial().0, change.new_serial().0), (1, 2));
    assert_eq!(zone.serial().0, 2);
    assert_eq!(old.serial().0, 1, "a snapshot does not change");
}
